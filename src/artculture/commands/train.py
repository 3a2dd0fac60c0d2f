"""`artculture train`: train one run in this process, or a study with one process per run."""

from omegaconf import DictConfig

from artculture.config.composition import config_flags, run_composed
from artculture.config.schema.launchers import LocalProcesses
from artculture.config.schema.train import TrainConfig


def run(argv: list[str]) -> int:
    return run_composed("train", TrainConfig, train, argv)


def train(config: TrainConfig, composed: DictConfig) -> int:
    from hydra.core.hydra_config import HydraConfig

    from artculture.commands.run import run_job
    from artculture.studies.grid import planned_run
    from artculture.studies.planning import show_plan
    from artculture.studies.run_name import locate_current_run
    from artculture.studies.study import launch
    from artculture.utils.logging import configure_logging

    configure_logging()
    path, variant = locate_current_run(config, composed)
    run = planned_run(config, path, [*config_flags(), *HydraConfig.get().overrides.task], variant)
    if not isinstance(config.launcher, LocalProcesses):
        return launch([run])
    if config.plan:
        return show_plan([run], at_once=1)
    return run_job(run.job, run.directory)
