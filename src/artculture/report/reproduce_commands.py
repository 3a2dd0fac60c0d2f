"""Command line that reproduces a run."""

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
from artculture.training.run_directory import ENSEMBLE
from artculture.utils.overrides import PLAIN, override_value
from artculture.utils.secrets import hidden

# Values, paths among them, that Hydra's grammar reads as text without quotes.
PLAIN_PATH = re.compile(rf"(?:\.{{0,2}}/)?{PLAIN.pattern}(?:/[\w.-]+)*", re.ASCII)
GROUPS = ("architecture", "method", "scheduler", "balance", "data", "augment", "logger")


def reproduce_command(run: StudyRun) -> str:
    """Return the command that trains a run: the one that was typed, or one that composes the same config."""
    if ENSEMBLE in run.config:
        return shlex.join(["artculture", "ensemble", *_choices_of_ensemble(run.config)])
    typed = run.status.get("arguments")
    if isinstance(typed, list) and typed:
        return hidden(shlex.join(["artculture", "train", *map(_without_quotes, map(str, typed))]))
    return shlex.join(["artculture", "train", *overrides_for(run.config)])


def _without_quotes(argument: str) -> str:
    """Return an override without Hydra's quotes around a value that is read the same without them."""
    key, equals, value = argument.partition("=")
    inner = value[1:-1]
    plain = len(value) > 2 and value[0] == value[-1] and value[0] in "'\"" and PLAIN_PATH.fullmatch(inner)
    return f"{key}{equals}{inner}" if plain else argument


def _choices_of_ensemble(config: dict[str, Any]) -> list[str]:
    study, chosen = config.get("study", {}), config[ENSEMBLE]
    values = {f"study.{key}": study.get(key) for key in ("name", "root")}
    values |= {key: chosen.get(key) for key in ("kind", "metric", "rounds", "members")}
    return [f"{key}={override_value(value)}" for key, value in values.items() if value is not None]


def overrides_for(config: dict[str, Any]) -> list[str]:
    """Return overrides of `train` that compose a config: its group options, then all values that differ from theirs."""
    options = group_options([config_folder()])
    chosen = [f"{group}={_option(group, config, options)}" for group in GROUPS if config.get(group)]
    # `data.root` of a folder is mandatory without a default, so it is compared after composing the rest.
    composed = dict(leaves(resolved(_compose([*chosen, f"seed={config.get('seed', 0)}"]))))
    changed = [
        f"{key}={override_value(value)}"
        for key, value in leaves(config)
        if key == "seed" or (key in composed and composed[key] != value)
    ]
    return chosen + changed


def _compose(overrides: list[str]) -> DictConfig:
    hydra_instance = GlobalHydra.instance()
    if hydra_instance.is_initialized():  # inside a command: initialising it a second time is an error
        loader = hydra_instance.config_loader()
        return loader.load_configuration("train", overrides=overrides, run_mode=RunMode.RUN)
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        return hydra.compose("train", overrides=overrides)


def _option(group: str, config: dict[str, Any], options: dict[str, set[str]]) -> str:
    if group == "logger":
        return _loggers(config[group], options[group])
    name = str(config[group].get("name"))
    # A timm model without an option of its own is composed by `architecture=timm`.
    return name if name in options[group] or group != "architecture" else "timm"


def _loggers(loggers: dict[str, Any], options: set[str]) -> str:
    """Return the options of a group of loggers by name, as in `[wandb,tensorboard]`; `csv` stands for none of them."""
    offline = (loggers.get("wandb") or {}).get("mode") == "offline"
    names = ["wandb_offline" if name == "wandb" and offline else name for name, one in loggers.items() if one]
    return f"[{','.join(name for name in names if name in options) or 'csv'}]"
