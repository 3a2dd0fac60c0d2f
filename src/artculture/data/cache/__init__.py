"""Caches on disk: decoded pixels and features of frozen backbones."""
