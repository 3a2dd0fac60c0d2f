"""A study: a grid of runs, their execution and the table of results."""
