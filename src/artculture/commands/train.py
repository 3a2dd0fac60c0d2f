"""`artculture train`: one run in this process, or a study of runs, each in a process of its own."""

from artculture.config import TrainConfig
from artculture.hydra_app import config_flags, run_app


def run(argv: list[str]) -> int:
    return run_app("train", TrainConfig, train, argv)


def train(config: TrainConfig) -> int:
    from hydra.core.hydra_config import HydraConfig

    from artculture.commands.run import run_job
    from artculture.logs import configure_logging
    from artculture.runs.grid import planned_row
    from artculture.runs.naming import named_run
    from artculture.runs.planning import show_plan
    from artculture.runs.study import launch

    configure_logging()
    path, variant = named_run(config)
    row = planned_row(config, path, [*config_flags(), *HydraConfig.get().overrides.task], variant)
    if config.launcher.name != "local":
        return launch([row])
    if config.plan:
        return show_plan([row], at_once=1)
    return run_job(row.job, row.directory)
