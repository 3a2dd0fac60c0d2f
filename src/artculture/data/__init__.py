"""From a manifest to batches: sources, splits, decoded pixels, transforms, the data module."""
