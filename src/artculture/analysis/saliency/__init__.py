"""Feature maps, Grad-CAM and contact sheets."""
