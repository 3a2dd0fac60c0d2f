"""Hydra sweeper and launcher that pass all runs of a sweep to `artculture.studies.study` at once."""

from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class StudySweeper(Sweeper):
    """Expands a grid into runs as Hydra's basic sweeper does, without writing files."""

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        plain: Any = OmegaConf.to_container(OmegaConf.create(dict(params or {})), resolve=True)
        self.params: dict[str, Any] = plain

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from hydra.core.plugins import Plugins

        self.config_loader = hydra_context.config_loader
        self.runs_launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

        parser = OverridesParser.create(config_loader=self.config_loader)
        typed = [f"{key}={_choices(value)}" for key, value in self.params.items()] + list(arguments)
        (runs,) = BasicSweeper.split_arguments(parser.parse_overrides(typed), max_batch_size=None)
        return self.runs_launcher.launch(runs, initial_job_idx=0)


def _choices(value: Any) -> str:
    """Return the choices of a sweep as text: of a YAML list, which would otherwise be one value, each of its items."""
    if not isinstance(value, list):
        return str(value)
    from artculture.utils.overrides import override_value

    return ",".join(override_value(item) for item in value)


class LocalLauncher(Launcher):
    """Passes all runs to `run_study`, which executes them with the launcher of `launcher.name`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config_loader, self.master = hydra_context.config_loader, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from artculture.studies.study import run_study

        # SystemExit is the only exception that Hydra does not catch.
        raise SystemExit(run_study(self.config_loader, self.master, job_overrides))


_MODULE = "hydra_plugins.artculture_study.plugins"
_store = ConfigStore.instance()
_store.store(group="hydra/sweeper", name="artculture", node={"_target_": f"{_MODULE}.StudySweeper", "params": {}})
_store.store(group="hydra/launcher", name="artculture", node={"_target_": f"{_MODULE}.LocalLauncher"})
