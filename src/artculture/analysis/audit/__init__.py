"""Audit of labels: likely label errors, outliers, and near-duplicates with two labels."""
