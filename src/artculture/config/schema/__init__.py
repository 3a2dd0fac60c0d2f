"""The typed schema of each command's configuration."""
