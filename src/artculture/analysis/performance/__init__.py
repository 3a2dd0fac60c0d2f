"""Confusion, recall and reliability of a classifier."""
