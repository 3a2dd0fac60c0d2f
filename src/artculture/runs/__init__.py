"""One run and a study of runs: identity, directory, resume, training, results."""
