"""The map of paintings as one HTML file: point at a dot, see the painting."""
