"""`artculture train`: one run in this process, or a study of runs, each in a process of its own."""

import os

from artculture.config import TrainConfig
from artculture.hydra_app import run_app


def run(argv: list[str]) -> int:
    return run_app("train", TrainConfig, train, argv)


def train(config: TrainConfig) -> int:
    from artculture.logs import configure_logging
    from artculture.runs.directory import RunDirectory
    from artculture.runs.naming import named_run
    from artculture.runs.rows import ROW_OF_STUDY, end_with_study
    from artculture.runs.study import show_table
    from artculture.runs.training import train_run

    configure_logging()
    end_with_study()
    path, variant = named_run(config)
    train_run(config, RunDirectory(path), variant)
    if ROW_OF_STUDY not in os.environ:
        show_table(path.parent)
    return 0
