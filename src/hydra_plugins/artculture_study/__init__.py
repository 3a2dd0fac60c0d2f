"""Hydra's way into artculture's studies. Hydra imports this at every start: nothing heavy here."""
