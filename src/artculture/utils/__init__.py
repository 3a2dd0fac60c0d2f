"""Shared helpers without knowledge of paintings: files, errors, logging, hardware."""
