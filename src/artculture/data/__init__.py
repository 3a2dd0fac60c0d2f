"""Data pipeline from a manifest to batches: sources, splits, decoded pixels, transforms, data module."""
