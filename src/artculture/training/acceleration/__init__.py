"""Faster and smaller steps: CUDA graphs, and batches that do not fit into memory."""
