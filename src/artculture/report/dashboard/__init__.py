"""The dashboard of a study in Weights & Biases: a saved workspace and a report."""
