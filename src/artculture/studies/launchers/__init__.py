"""Where the runs of a study execute: local processes, SLURM jobs or Ray tasks."""
