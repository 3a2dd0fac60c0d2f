"""The embedded synthetic sample: pictures drawn by a few parametrised styles, so that everything runs offline."""

from artculture.data.sample.dataset import make_sample, sample_counts, sample_root

__all__ = ["make_sample", "sample_counts", "sample_root"]
