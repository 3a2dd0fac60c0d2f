"""Distances between cultures, with their figures and statistical tests."""
