"""Metrics, calibration, confidence intervals and prediction."""
