"""Shared helpers that do not depend on the domain: files, errors, logging, hardware."""
