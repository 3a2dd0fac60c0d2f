"""Interactive map of paintings as one self-contained HTML file."""
