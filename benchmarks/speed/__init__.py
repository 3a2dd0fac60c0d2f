"""Speed of artculture beside what its users would run instead; `python -m benchmarks.speed --help`."""
