"""`artculture train`: one run in this process, or a study of runs, each in a process of its own."""

import os

from artculture.config import TrainConfig
from artculture.hydra_app import run_app
from artculture.quick_imports import lean_torchmetrics


def run(argv: list[str]) -> int:
    return run_app("train", TrainConfig, train, argv)


def train(config: TrainConfig) -> int:
    from hydra.core.hydra_config import HydraConfig

    from artculture.launchers.process import HELD_ELSEWHERE, ROW_OF_STUDY, end_with_study
    from artculture.logs import configure_logging, only_failures, quiet_libraries
    from artculture.ranks.place import RANK_OF, find_place
    from artculture.ranks.processes import end_with_first, started
    from artculture.runs import hardware
    from artculture.runs.directory import RunDirectory
    from artculture.runs.grid import planned_row
    from artculture.runs.lease import HeldElsewhereError
    from artculture.runs.naming import named_run
    from artculture.runs.planning import show_plan
    from artculture.runs.study import launch, show_table

    configure_logging()
    end_with_first() if RANK_OF in os.environ else end_with_study()
    path, variant = named_run(config)
    of_study = ROW_OF_STUDY in os.environ
    if config.launcher.name != "local" and not of_study:
        return launch([planned_row(config, path, HydraConfig.get().overrides.task)])
    if config.plan:
        return show_plan([planned_row(config, path)], at_once=1)
    hardware.check_machine(config.trainer.accelerator, config.trainer.precision, config.trainer.compile)
    place = find_place(config)
    if not place.takes_part:
        return 0
    if place.rank > 0:
        only_failures()
    try:
        with started(place) as processes:
            with lean_torchmetrics():  # torch waits until there is something to train
                from artculture.ranks.world import joined
                from artculture.runs.training import train_run

            quiet_libraries()
            hardware.keep_freed_memory()
            with joined(place, hardware.real_accelerator(config.trainer.accelerator), processes) as world:
                # A study has other rows to go on with; alone it is worth a wait.
                train_run(config, RunDirectory(path), variant, 0.0 if of_study else None, world)
    except HeldElsewhereError:
        if of_study:
            return HELD_ELSEWHERE
        raise
    if not of_study and place.rank == 0:
        show_table(path.parent)
    return 0
