"""Ensembles of the finished runs of a study: averaged probabilities, greedy selection, averaged weights."""
