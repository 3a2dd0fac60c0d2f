"""One thin file per command: config in, exit code out."""
