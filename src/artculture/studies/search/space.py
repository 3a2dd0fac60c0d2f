"""Search space: the searched keys of the config and their ranges or choices."""

import copy
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from artculture.config.schema.marks import Mark
from artculture.config.schema.train import TrainConfig, keys_with, plain
from artculture.config.validation import alternatives, known_keys, nearest_key, value_mistakes
from artculture.training.identity import unused_keys
from artculture.utils.io import json_text
from artculture.utils.targets import node_name

RANGE = ("low", "high", "log", "step", "times")
CHOICES = "choices"
SIGNIFICANT_DIGITS = 3
# All trials must share data, split and metric; other keys do not affect the result.
NOT_SEARCHED = frozenset({*keys_with(Mark.NOT_SEARCHED), "data.name"})

# Groups whose options have keys of their own.
VARIANTS = ("head", "method", "optimizer", "loss", "scheduler")


@dataclass(frozen=True)
class Dimension:
    """One searched value.

    Attributes:
        key: dotted key in the config.
        choices: the choices as JSON; empty for a range.
        low, high: bounds of a range, both included.
        log: whether to sample uniformly in the logarithm.
        step: step of a range; None for any number.
        whole: whether the value is an integer.
    """

    key: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    whole: bool = False

    def suggest(self, trial: Any) -> Any:
        """Return the value of an Optuna trial; floats are rounded to three significant digits."""
        if self.choices:
            return json.loads(trial.suggest_categorical(self.key, self.choices))
        if self.whole:
            return trial.suggest_int(self.key, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
        drawn = trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)
        return min(max(float(f"{drawn:.{SIGNIFICANT_DIGITS}g}"), self.low), self.high)

    def described(self) -> dict[str, Any]:
        """Return plain JSON values, stored to detect a changed search space."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def ends(self) -> list[Any]:
        """Return the bounds of the range, or all choices."""
        if self.choices:
            return [json.loads(choice) for choice in self.choices]
        return [int(end) if self.whole else end for end in (self.low, self.high)]


def dimensions(space: dict[str, Any], config: TrainConfig, typed: Sequence[str]) -> tuple[list[Dimension], list[str]]:
    """Return the searched values for a run, and the keys left out with the reasons.

    Args:
        space: search space without mistakes (`space_mistakes`).
        config: the run's config.
        typed: keys that the user set on the command line.
    """
    found, left_out = [], []
    for key, leaf in _leaves(space):
        why = _left_out(key, leaf, config, typed)
        if why is None:
            found.append(_dimension(key, leaf, config))
        elif why:
            left_out.append(f"{key} ({why})")
    return found, left_out


def space_mistakes(space: dict[str, Any], config: TrainConfig) -> Iterator[tuple[str, str]]:
    """Yield every mistake in a search space, as (key, description and fix)."""
    keys = set(known_keys(TrainConfig))
    for key, leaf in _leaves(space):
        if key not in keys:
            yield key, f"is not a key of the config: {nearest_key(key, keys)}"
        elif any(key == name or key.startswith(name + ".") for name in NOT_SEARCHED):
            yield key, "can't be searched: all trials must share its value"
        elif any(other.startswith(key + ".") for other in keys) or key.endswith(".name"):
            yield key, "is a choice of a group: start one search for each, or compare them by a grid (train -m)"
        elif leaf is not None:
            wrong = _form_mistake(key, leaf)
            applies = _left_out(key, leaf, config, ()) is None
            if wrong is None and applies and _has_times(leaf) and _value(plain(config), key) is None:
                wrong = "has no value in this run to multiply: give low and high without times"
            if wrong:
                yield key, wrong
            elif applies:
                yield from ((key, text) for text in _value_mistakes(_dimension(key, leaf, config), config))


def _leaves(space: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in space.items():
        if isinstance(value, dict) and not set(value) & {*RANGE, CHOICES}:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            # A choice given on the command line is merged into the default range, and takes precedence.
            chosen = value.get(CHOICES) if isinstance(value, dict) else None
            yield prefix + str(name), value if chosen is None else chosen


def _left_out(key: str, leaf: Any, config: TrainConfig, typed: Sequence[str]) -> str | None:
    if leaf is None:
        return ""
    if key in typed:
        return "typed"
    if key == "method.backbone_lr" and config.method.name == "transfer":
        return "the backbone is frozen"
    part, unused = key.partition(".")[0], unused_keys(config.method.name)
    if part in unused or key in unused:
        return f"without meaning for method={config.method.name}"
    if part in VARIANTS and _value(plain(config), key) is None:
        return f"not of {part}={node_name(getattr(config, part))}"
    return None


def _form_mistake(key: str, leaf: Any) -> str | None:
    if isinstance(leaf, list):
        return None if leaf else "has no choice to choose from"
    if not isinstance(leaf, dict):
        return f"is {leaf!r}; give [a, b, c] or {{low: …, high: …}}, or null to leave it out"
    unknown = set(leaf) - {*RANGE, CHOICES}
    if unknown:
        return f"has no `{sorted(unknown)[0]}`; a range has {', '.join(RANGE)}"
    if not {"low", "high"} <= set(leaf) or not all(_is_number(leaf[end]) for end in ("low", "high")):
        return "needs numbers for low and high"
    if not _number_kinds(key):
        return "is not a number; give its choices as [a, b, c]"
    if leaf["low"] >= leaf["high"]:
        return f"is empty: low={leaf['low']} is not below high={leaf['high']}"
    if any(not isinstance(leaf.get(flag, False), bool) for flag in ("log", "times")):
        return "takes true or false for log and times"
    if leaf.get("log") and leaf["low"] <= 0:
        return f"can't be drawn by its logarithm from low={leaf['low']}; give a low above 0 or log: false"
    if leaf.get("step") is not None and (leaf.get("log") or not _is_number(leaf["step"]) or leaf["step"] <= 0):
        return "takes a step above 0, and none with log: true"
    return None


def _value_mistakes(dimension: Dimension, config: TrainConfig) -> Iterator[str]:
    said = set()
    for value in dimension.ends():
        values = copy.deepcopy(plain(config))
        section, _, name = dimension.key.rpartition(".")
        _value(values, section)[name] = value
        for text in value_mistakes(TrainConfig, values):
            if text not in said:
                said.add(text)
                yield f"reaches a wrong value: {text}"
    if dimension.whole and not dimension.choices and dimension.low >= dimension.high:
        yield f"leaves one whole number, {int(dimension.low)}; widen the range"


def _dimension(key: str, leaf: Any, config: TrainConfig) -> Dimension:
    if isinstance(leaf, list):
        return Dimension(key, choices=tuple(dict.fromkeys(json_text(choice, ensure_ascii=True) for choice in leaf)))
    whole = float not in _number_kinds(key)
    scale = _value(plain(config), key) or 1 if leaf.get("times") else 1
    low, high = leaf["low"] * scale, leaf["high"] * scale
    if whole:
        low, high = max(1, math.floor(low + 0.5)) if leaf.get("times") else math.ceil(low), math.floor(high)
    else:
        low, high = (float(f"{end:.{SIGNIFICANT_DIGITS}g}") for end in (low, high))
    step = leaf.get("step")
    if step is not None and high > low:  # the last value that the steps reach
        high = low + step * math.floor((high - low) / step + 1e-9)
    return Dimension(key, (), low, high, bool(leaf.get("log")), step, whole)


def _value(values: dict[str, Any], key: str) -> Any:
    found: Any = values
    for part in key.split("."):
        found = found.get(part)
    return found


def _has_times(leaf: Any) -> bool:
    return isinstance(leaf, dict) and bool(leaf.get("times"))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number_kinds(key: str) -> set[type]:
    """Return which of `int` and `float` the schema accepts for a key."""
    annotation: Any = TrainConfig
    for part in key.split("."):
        sections = [kind for kind in alternatives(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        annotation = next(kind.model_fields[part].annotation for kind in sections if part in kind.model_fields)
    kinds = {kind for kind in alternatives(annotation) if get_origin(kind) is None and not get_args(kind)}
    return kinds & {int, float}
