"""Distances between cultures, and the figures and tests made from them."""
