"""Where a study's rows run: as processes of this machine, as SLURM jobs or as Ray tasks."""
