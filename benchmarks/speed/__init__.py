"""Speed of artculture compared with other training scripts; `python -m benchmarks.speed --help`."""
