"""Launchers of the runs of a study: local processes, SLURM jobs, Ray tasks."""
