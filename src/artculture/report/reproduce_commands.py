"""The command line that makes a run again."""

import re
import shlex
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from artculture.config.composition import resolved
from artculture.config.validation import config_folder, group_options
from artculture.report.study_data import StudyRun
from artculture.training.identity import leaves
from artculture.utils.secrets import hidden

GROUPS = ("architecture", "method", "scheduler", "data", "augment", "logger")


def reproduce_command(run: StudyRun) -> str:
    """Return the command that trains a run: the one that was typed, else one that composes its config again."""
    typed = run.status.get("arguments")
    if isinstance(typed, list) and typed:
        return hidden(shlex.join(["artculture", "train", *map(str, typed)]))
    return shlex.join(["artculture", "train", *overrides_for(run.config)])


def overrides_for(config: dict[str, Any]) -> list[str]:
    """Overrides of `train` that compose a config: its groups' options, then every value that differs from theirs."""
    options = group_options([config_folder()])
    chosen = [f"{group}={_option(group, config, options)}" for group in GROUPS if config.get(group)]
    # A folder's place is mandatory, and only known from the config itself.
    usual = dict(leaves(resolved(_composed([*chosen, f"seed={config.get('seed', 0)}"]))))
    changed = [
        f"{key}={_typed(value)}"
        for key, value in leaves(config)
        if key == "seed" or (key in usual and usual[key] != value)
    ]
    return chosen + changed


def _composed(overrides: list[str]) -> DictConfig:
    hydra_there = GlobalHydra.instance()
    if hydra_there.is_initialized():  # the command that asks is composed by it
        loader = hydra_there.config_loader()
        return loader.load_configuration("train", overrides=overrides, run_mode=RunMode.RUN)
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        return hydra.compose("train", overrides=overrides)


def _option(group: str, config: dict[str, Any], options: dict[str, set[str]]) -> str:
    name = str(config[group].get("name"))
    # Any other model of timm's is an option's value, not an option.
    return name if name in options[group] or group != "architecture" else "timm"


def _typed(value: Any) -> str:
    """A value as Hydra's command line reads it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(_typed(item) for item in value)}]"
    text = str(value)
    if not isinstance(value, str) or re.fullmatch(r"[\w./~:+-]+", text):
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
