"""Name of a run directory: the choices of its config that differ from the composed defaults."""

import logging
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from artculture.config.composition import resolved
from artculture.config.schema.train import TrainConfig, plain
from artculture.config.validation import config_folder, group_options
from artculture.training.identity import leaves, run_name, unused_choices, variant

log = logging.getLogger(__name__)

# Not `trainer`: of an option of that group every changed value is named, since most only say where to train.
GROUPS = ("architecture", "head", "method", "optimizer", "loss", "balance", "scheduler", "data", "augment")
# Default of the keys that follow the seed.
SEED = "${seed}"
# Groups of named combinations: their option stands for the values that it sets.
COMBINATIONS = ("recipe", "experiment", "debug")


def locate_current_run(config: TrainConfig, composed: DictConfig) -> tuple[Path, list[str]]:
    """Return the directory and variant of the run that Hydra executes; arguments as of `locate_run`."""
    return locate_run(config, dict(HydraConfig.get().runtime.choices), composed)


def locate_run(
    config: TrainConfig, choices: dict[str, Any], composed: DictConfig | None = None, *, with_epochs: bool = False
) -> tuple[Path, list[str]]:
    """Return the directory and variant of a composed run.

    Args:
        config: the run's config.
        choices: Hydra's runtime choices: config group to option.
        composed: what it was composed to, with its interpolations; None where no key that follows the seed by default
            has a value of its own.
        with_epochs: whether the name includes another `trainer.max_epochs`.
    """
    values = plain(config)
    chosen = {group: str(choices[group]) for group in GROUPS}
    without = {group: option for group, option in _composed_choices([]).items() if group in COMBINATIONS}
    asked = {group: str(choices[group]) for group in COMBINATIONS if choices.get(group) is not None}
    named = {group: option for group, option in asked.items() if option != without.get(group)}
    combination = [f"{group}={option}" for group, option in named.items()]
    usual = {group: option for group, option in _composed_choices(combination).items() if group in GROUPS}
    overrides = [f"{group}={option}" for group, option in chosen.items()]
    defaults = resolved(usual_run := _compose(_search_path(), (*overrides, *combination, f"seed={config.seed}")))
    if composed is not None:
        _forget_values(defaults, fixed_keys(composed, usual_run))
    _warn_of_unused(config.method.name, unused_choices(values, defaults, chosen, usual))
    shipped = group_options([config_folder()])
    # What a combination chooses is in the name by the combination.
    chosen_here = {group: option for group, option in chosen.items() if option != usual[group]}
    own = [*named.values(), *(option for group, option in chosen_here.items() if option not in shipped[group])]
    name = run_name(values, defaults, chosen, usual, own, with_epochs=with_epochs)
    return Path(config.study.root) / config.study.name / name, variant(values, defaults, chosen, usual, own)


def _warn_of_unused(method: str, unused: dict[str, Any]) -> None:
    if unused:
        _warn_once(f"method={method} does not use {', '.join(f'{key}={value}' for key, value in unused.items())}")


@cache  # the runs of a study have most of their values in common
def _warn_once(text: str) -> None:
    log.warning(text)


@cache
def _compose(search_path: tuple[str, ...], overrides: tuple[str, ...]) -> Any:  # noqa: ARG001 - part of the key
    # The runs of a study share most of these: composing takes a fifth of a second.
    loader = GlobalHydra.instance().config_loader()
    return loader.load_configuration("train", overrides=list(overrides), run_mode=RunMode.RUN)


def _search_path() -> tuple[str, ...]:
    entries = GlobalHydra.instance().config_loader().get_search_path().get_path()
    return tuple(str(entry.path) for entry in entries)


def _composed_choices(overrides: list[str]) -> dict[str, str]:
    composed = _compose(_search_path(), tuple(overrides))
    return {str(key): str(value) for key, value in composed.hydra.runtime.choices.items()}


def fixed_keys(composed: DictConfig, usual: DictConfig) -> list[str]:
    """Return the keys that follow the seed by default and have a value of their own, as `data.split_seed=0`."""
    own, follow = (dict(leaves(_raw(config))) for config in (composed, usual))
    return [key for key, value in follow.items() if value == SEED and own.get(key) != SEED]


def _raw(config: DictConfig) -> dict[str, Any]:
    values: Any = OmegaConf.to_container(config, resolve=False)
    return {str(key): value for key, value in values.items() if key != "hydra"}


def _forget_values(values: dict[str, Any], keys: Iterable[str]) -> None:
    """Set some keys to None, so that any value differs: equal to the seed of one run, it is not in others'."""
    for key in keys:
        *sections, last = key.split(".")
        inner = values
        for section in sections:
            inner = inner[section]
        inner[last] = None
