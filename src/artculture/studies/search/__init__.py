"""Hyperparameter search over one run of a study."""
