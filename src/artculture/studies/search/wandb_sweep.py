"""The YAML of a W&B sweep: our search space as its parameters, `artculture train` as its command."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from artculture.config.schema.section import Section
from artculture.config.typed_text import AsTyped, UserPath
from artculture.studies.search.config import SearchConfig
from artculture.studies.search.space import Dimension, dimensions
from artculture.training.checkpointing import mode_of
from artculture.training.tracking.wandb_history import BEST
from artculture.utils.errors import InputError

# Values that stand for a range of whole numbers with steps or in the logarithm.
MOST_VALUES = 16


class Sweep(Section):
    """Settings of a W&B sweep."""

    method: Literal["bayes", "random", "grid"]
    output: Annotated[UserPath | None, AsTyped()]
    overwrite: bool


class SweepConfig(SearchConfig):
    """Config of a run, of the search over its values, and of the W&B sweep that does it."""

    sweep: Sweep


def sweep_of(config: SweepConfig, typed: Sequence[str], flags: Sequence[str] = ()) -> dict[str, Any]:
    """Return a W&B sweep over the search space of a run.

    Args:
        config: of the run, the space and the sweep.
        typed: overrides of `train` that the user typed, which all runs get.
        flags: flags of `train` that decide where configs come from.

    Raises:
        InputError: the space is empty, or a grid has a range.
    """
    keys = [text.split("=")[0].lstrip("+") for text in typed]
    space, _ = dimensions(config.search.space, config.train_config(), keys)
    if not space:
        raise InputError("the search space is empty: add values to search.space (conf/search/optuna.yaml)")
    parameters = {dimension.key: parameter(dimension) for dimension in space}
    if config.sweep.method == "grid" and (ranges := [key for key, one in parameters.items() if "values" not in one]):
        raise InputError(
            f"sweep.method=grid needs choices: give {', '.join(ranges)} as [a,b], as in "
            f"search.space.{ranges[0]}=[…], or null to leave it out"
        )
    sweep: dict[str, Any] = {
        "program": "artculture",
        "method": config.sweep.method,
        "run_cap": config.search.trials,
        "metric": {"name": BEST, "goal": f"{mode_of(config.trainer.monitor)}imize"},
        "command": ["${env}", "artculture", "train", *flags, *typed, "${args_no_hyphens}"],
        "parameters": parameters,
    }
    if config.logger.wandb is not None:
        sweep["project"] = config.logger.wandb.project
        if config.logger.wandb.entity:
            sweep["entity"] = config.logger.wandb.entity
    if config.search.pruner == "hyperband":
        sweep["early_terminate"] = {"type": "hyperband", "min_iter": max(1, config.search.warmup_epochs)}
    return sweep


def parameter(dimension: Dimension) -> dict[str, Any]:
    """Return a searched value as a parameter of W&B, whose command line Hydra reads back as the same value."""
    if dimension.choices:
        # W&B would write None and lists in Python's way.
        return {"values": [_typed(choice) for choice in dimension.choices]}
    low, high = dimension.ends()
    if dimension.whole and dimension.log:
        return {"values": [int(value) for value in np.unique(np.geomspace(low, high, MOST_VALUES).round())]}
    if dimension.whole and dimension.step not in (None, 1):
        return {"values": list(range(low, high + 1, int(dimension.step or 1)))}
    ends = {"min": low, "max": high}
    if dimension.whole:
        return {"distribution": "int_uniform", **ends}
    if dimension.step is not None:
        return {"distribution": "q_uniform", "q": dimension.step, **ends}
    return {"distribution": "log_uniform_values" if dimension.log else "uniform", **ends}


def _typed(choice: str) -> Any:
    """Return a choice, which is JSON, as W&B keeps it: scalars as they are, others as text."""
    value = json.loads(choice)
    return value if isinstance(value, (bool, int, float, str)) else choice


def sweep_file(config: SweepConfig) -> Path:
    """Return the default file of a sweep."""
    return Path(config.study.root) / config.study.name / "sweep.yaml"
