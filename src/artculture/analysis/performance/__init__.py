"""Evaluation, confusion, recall and calibration of a classifier."""
