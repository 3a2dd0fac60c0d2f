"""Datasets of the Hugging Face Hub, and parquet files of its layout in a folder: `data=hub`."""
