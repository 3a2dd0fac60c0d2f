"""Trained classifiers for other programs and people: exports, model cards, the Hub."""
