"""`artculture run DIR`: train or resume the run of a directory with a config.yaml."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from artculture.utils.errors import InputError
from artculture.utils.quick_imports import lean_torchmetrics

if TYPE_CHECKING:
    from artculture.training.job import Job
    from artculture.training.run_directory import RunDirectory

USAGE = """\
artculture run: train or resume one run by its folder.

usage: artculture run DIR

  DIR   a run directory with a config.yaml, as `artculture train` writes it: outputs/<study>/<run>

A finished run is skipped; an interrupted one continues from its last checkpoint. Relative paths in its config refer to
the folder in which `artculture train` was started, if that still exists.

Example:
  artculture run outputs/table2/resnet50-finetuned-plateau
"""


def run(argv: list[str]) -> int:
    if len(argv) == 1 and argv[0] in ("-h", "--help"):
        sys.stdout.write(USAGE)
        return 0
    if len(argv) != 1 or argv[0].startswith("-"):
        raise InputError("give one run directory: artculture run outputs/<study>/<run>")
    from artculture.training.job import read_job
    from artculture.training.run_directory import RunDirectory
    from artculture.utils.logging import configure_logging

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
    """Train a run in this process and one more process per further device; return the exit code.

    Raises:
        InputError, WorkError, Interrupted: as `train_run`.
        RunLockedError: another process trains this run, and it is not a run of a study.
    """
    from artculture.studies.launchers.process import RUN_LOCKED_EXIT_CODE
    from artculture.training import compile_cache
    from artculture.training.distributed.context import RANK_OF, find_context
    from artculture.training.distributed.processes import end_with_rank_zero, launched_ranks
    from artculture.training.job import write_job
    from artculture.training.run_lock import RunLockedError, is_locked
    from artculture.utils import hardware
    from artculture.utils.child_process import RUN_OF_STUDY, end_with_study
    from artculture.utils.logging import log_errors_only, quiet_libraries

    end_with_rank_zero() if RANK_OF in os.environ else end_with_study()
    trainer, of_study = job.config.trainer, RUN_OF_STUDY in os.environ
    hardware.check_machine(trainer.accelerator, trainer.precision, trainer.compile)
    if trainer.compile:
        compile_cache.use_own_cache(job.config.data.cache)
    context = find_context(job.config)
    if not context.participates:
        return 0
    if context.rank > 0:
        log_errors_only()
    elif context.world_size > 1 and context.starter == "itself" and not of_study and not is_locked(directory.path):
        # The other processes are started with the directory alone.
        write_job(directory, job, restart=job.config.resume == "never")
    try:
        with launched_ranks(context, directory.path) as processes:
            with lean_torchmetrics():  # torch is imported only if there is something to train
                from artculture.training.distributed.process_group import joined_process_group
                from artculture.training.run import train_run

            quiet_libraries()
            hardware.keep_freed_memory()
            with joined_process_group(
                context, hardware.real_accelerator(trainer.accelerator), processes
            ) as process_group:
                # A study continues with its other runs; a single run waits for the lock.
                patience = 0.0 if of_study else None
                try:
                    train_run(job, directory, patience, process_group)
                except Exception as error:
                    # Several processes can't start over together.
                    if context.world_size > 1 or not compile_cache.drop_if_damaged(error, job.config.data.cache):
                        raise
                    train_run(job, directory, patience, process_group)
    except RunLockedError:
        if of_study:
            return RUN_LOCKED_EXIT_CODE
        raise
    if not of_study and context.rank == 0:
        from artculture.studies.study import show_table

        show_table(directory.path.parent)
    return 0
