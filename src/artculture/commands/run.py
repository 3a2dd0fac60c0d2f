"""`artculture run DIR`: train or resume the run of a run directory, whoever wrote its config.yaml."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from artculture.errors import InputError
from artculture.quick_imports import lean_torchmetrics

if TYPE_CHECKING:
    from artculture.runs.directory import RunDirectory
    from artculture.runs.job import Job

USAGE = """\
artculture run: train or resume one run by its folder.

usage: artculture run DIR

  DIR   a run directory with a config.yaml, as `artculture train` writes it: outputs/<study>/<run>

A finished run is left as it is; an interrupted one continues from its last checkpoint. Relative paths in its config
refer to the folder that `artculture train` was started in, where that still exists.

Example:
  artculture run outputs/table2/resnet50-finetuned-plateau
"""


def run(argv: list[str]) -> int:
    if len(argv) == 1 and argv[0] in ("-h", "--help"):
        sys.stdout.write(USAGE)
        return 0
    if len(argv) != 1 or argv[0].startswith("-"):
        raise InputError("give one run directory: artculture run outputs/<study>/<run>")
    from artculture.logs import configure_logging
    from artculture.runs.directory import RunDirectory
    from artculture.runs.job import read_job

    configure_logging()
    path = Path(argv[0]).expanduser().resolve()
    if not path.is_dir():
        raise InputError(f"no run directory at {path}")
    directory = RunDirectory(path)
    job = read_job(directory)
    if job.folder and Path(job.folder).is_dir():
        os.chdir(job.folder)
    return run_job(job, directory)


def run_job(job: "Job", directory: "RunDirectory") -> int:
    """Train a run in this process, and in one more per further device; return the exit code.

    Raises:
        InputError, WorkError, Interrupted: as `train_run`.
        HeldElsewhereError: another process trains this run, and this is no run of a study.
    """
    from artculture.launchers.process import HELD_ELSEWHERE, RUN_OF_STUDY, end_with_study
    from artculture.logs import only_failures, quiet_libraries
    from artculture.ranks.place import RANK_OF, find_place
    from artculture.ranks.processes import end_with_first, started
    from artculture.runs import hardware
    from artculture.runs.job import write_job
    from artculture.runs.lease import HeldElsewhereError, is_held

    end_with_first() if RANK_OF in os.environ else end_with_study()
    trainer, of_study = job.config.trainer, RUN_OF_STUDY in os.environ
    hardware.check_machine(trainer.accelerator, trainer.precision, trainer.compile)
    place = find_place(job.config)
    if not place.takes_part:
        return 0
    if place.rank > 0:
        only_failures()
    elif place.size > 1 and place.starter == "itself" and not of_study and not is_held(directory.path):
        # The other processes are started with the directory alone.
        write_job(directory, job, restart=job.config.resume == "never")
    try:
        with started(place, directory.path) as processes:
            with lean_torchmetrics():  # torch waits until there is something to train
                from artculture.ranks.world import joined
                from artculture.runs.training import train_run

            quiet_libraries()
            hardware.keep_freed_memory()
            with joined(place, hardware.real_accelerator(trainer.accelerator), processes) as world:
                # A study has other runs to continue with; a single run is worth a wait.
                train_run(job, directory, 0.0 if of_study else None, world)
    except HeldElsewhereError:
        if of_study:
            return HELD_ELSEWHERE
        raise
    if not of_study and place.rank == 0:
        from artculture.runs.study import show_table

        show_table(directory.path.parent)
    return 0
