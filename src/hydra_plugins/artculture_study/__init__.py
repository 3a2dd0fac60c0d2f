"""Hydra plugins of artculture. Hydra imports this package at every start, so imports are kept light."""
