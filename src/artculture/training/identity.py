"""What makes a run the run it is: the part of the config that decides its numbers, and the name made of it."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from artculture.config.schema.marks import Mark
from artculture.config.schema.train import keys_with
from artculture.utils.addresses import stored_address
from artculture.utils.targets import TARGET, is_target, node_name
from artculture.utils.text import file_word

Values = dict[str, Any]

# What may change between two launches of the same run.
CIRCUMSTANCES = frozenset({*keys_with(Mark.CIRCUMSTANCE), *keys_with(Mark.SOURCE)})
# What a method does not use that fits its classifier at once.
TRAINING = frozenset(keys_with(Mark.TRAINING))
FITTED_AT_ONCE = frozenset({"probe"})
# What a config that was stored before there was such a key meant by its absence.
BEFORE = {"trainer.compile": False, "balance.name": "none"}
# Groups that every name begins with, but for those without meaning for the method.
ALWAYS = ("architecture", "method", "scheduler")
# In place of the name of such a group in a result.
NONE = "none"
# The option of each group that takes a `_target_`.
CUSTOM = "custom"
# Groups whose chosen option is in the name where it is not the usual one.
OPTIONS = ("head", "optimizer", "loss", "balance", "augment")
# In the name already, without their keys.
NAMED_OTHERWISE = frozenset(
    {"seed", *(f"{group}.name" for group in (*ALWAYS, *OPTIONS, "data"))}
    | {f"{group}.{TARGET}" for group in ("head", "optimizer", "loss", "scheduler", "data.source")}
)
# May be raised on a run that exists, which then continues in place: part of a run's label, not of its folder's name.
EPOCHS = "trainer.max_epochs"
MAX_NAME = 120


def leaves(values: Values, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key with its value; lists count as values."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _under(key: str, names: frozenset[str]) -> bool:
    return any(key == name or key.startswith(name + ".") for name in names)


def identity(values: Values) -> Values:
    """What decides a run's numbers: dotted key to value."""
    found = {key: value for key, value in leaves(values) if not _under(key, CIRCUMSTANCES)}
    without = unused_keys(str(found.get("method.name")))
    return {key: value for key, value in found.items() if not _under(key, without)}


def unused_keys(method: str) -> frozenset[str]:
    """Return the keys and sections without meaning for a method."""
    return TRAINING if method in FITTED_AT_ONCE else frozenset()


def differences(one: Values, other: Values) -> dict[str, tuple[Any, Any]]:
    """What decides a run's numbers and is not the same in two configs: key to both values."""
    a, b = identity(one), identity(other)
    pairs = {key: (a.get(key, BEFORE.get(key)), b.get(key, BEFORE.get(key))) for key in dict.fromkeys([*a, *b])}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def run_name(
    values: Values,
    defaults: Values,
    choices: dict[str, str],
    usual: dict[str, str],
    own: Sequence[str] = (),
    *,
    with_epochs: bool = False,
) -> str:
    """The run directory's name, the same for the same choices on every machine.

    Args:
        values: the run's resolved config.
        defaults: the config of the same group choices and seed with nothing else changed.
        choices: group to option, of this run.
        usual: group to option where nothing is chosen.
        own: chosen options that are files of the user's own.
        with_epochs: whether to name another `trainer.max_epochs`, as for runs of one grid that differ in it.

    Returns:
        As in `resnet50-finetuned-plateau`, then what differs from the defaults, then the seed where it is not 0.
    """
    parts = [name for name in choice_names(values) if name != NONE]
    unnamed = frozenset() if with_epochs else frozenset({EPOCHS})
    parts += variant(values, defaults, choices, usual, own, unnamed)
    return joined_name(parts, values["seed"])


def joined_name(parts: Sequence[str], seed: int) -> str:
    """Return the name of a folder made of words and, where it is not 0, the seed; of many words, a hash is in place."""
    ending = f"-seed={seed}" if seed else ""
    return limited_name("-".join(file_word(part) for part in parts), MAX_NAME - len(ending)) + ending


def limited_name(name: str, longest: int) -> str:
    """Return a name; in place of the end of one that is too long, a hash of the whole."""
    if len(name) <= longest:
        return name
    return f"{name[: longest - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def choice_names(values: Values) -> list[str]:
    """Return the names of the options of `ALWAYS`, `NONE` where a group has no meaning for the method."""
    unused = unused_keys(values["method"]["name"])
    return [NONE if group in unused else node_name(values[group]) for group in ALWAYS]


def variant(
    values: Values,
    defaults: Values,
    choices: dict[str, str],
    usual: dict[str, str],
    own: Sequence[str] = (),
    unnamed: frozenset[str] = frozenset(),
) -> list[str]:
    """What tells a run from its architecture, method and scheduler alone: data, own options, every changed value."""
    parts = [] if choices["data"] == usual["data"] or _is_own_source(values, choices, own) else [data_label(values)]
    unused = unused_keys(values["method"]["name"])
    for group in OPTIONS:
        if choices[group] != usual[group] and group not in unused:
            # `custom` says nothing; a file of the user's own is named by what it is for.
            parts.append(node_name(values[group]) if choices[group] == CUSTOM else choices[group])
    named = {node_name(values[group]) for group in ALWAYS}
    named |= {choices[group] for group in unused if group in choices}
    parts = list(dict.fromkeys([*parts, *(option for option in own if option not in named)]))
    keys = Counter(_last_word(key) for key in identity(values) if not _under(key, NAMED_OTHERWISE))
    for key, (value, _) in differences(values, defaults).items():
        if not _under(key, NAMED_OTHERWISE | unnamed):
            parts.append(_changed(key, value, shared=keys[_last_word(key)] > 1))
    return parts


def unused_choices(values: Values, defaults: Values, choices: dict[str, str], usual: dict[str, str]) -> dict[str, Any]:
    """Return what was chosen and has no meaning for the method: key or group to value; arguments as of `variant`."""
    unused = unused_keys(values["method"]["name"])
    found: dict[str, Any] = {
        group: choices[group] for group in choices if group in unused and choices[group] != usual[group]
    }
    before = dict(leaves(defaults))
    changed = {key: value for key, value in leaves(values) if _under(key, unused) and value != before.get(key)}
    return found | changed


def _is_own_source(values: Values, choices: dict[str, str], own: Sequence[str]) -> bool:
    return choices["data"] in own and is_target(values["data"].get("source"))


def _changed(key: str, value: Any, *, shared: bool) -> str:
    section, _, last = key.rpartition(".")
    if last == TARGET:  # a callback or a metric by the name that it has in its group
        return section.rpartition(".")[2]
    return f"{key if shared else last}={_short(value)}"


def _last_word(key: str) -> str:
    return key.rpartition(".")[2]


def data_label(values: Values) -> str:
    """A short word for the data: `sample`, `met`, or the name of the folder or dataset of pictures."""
    if is_target(source := values["data"].get("source")):
        return node_name(source)
    root = values["data"].get("path") or values["data"].get("root")
    if values["data"]["name"] in ("folder", "shards", "hub", "embeddings") and root:
        if "://" in root:  # without its query, which may give access
            return PurePosixPath(urlsplit(stored_address(root)).path).name or str(values["data"]["name"])
        return Path(root).expanduser().resolve().name
    return str(values["data"]["name"])


def _short(value: Any) -> str:
    if is_target(value):
        arguments = [f"{key}={_short(each)}" for key, each in value.items() if key != TARGET]
        return "_".join([node_name(value), *arguments])
    if isinstance(value, list):
        return "x".join(_short(item) for item in value)
    if isinstance(value, float):
        shortest = f"{value:g}"
        return shortest if float(shortest) == value else repr(value)
    if isinstance(value, str) and value.startswith("val/"):  # a metric
        return value.removeprefix("val/")
    if isinstance(value, str) and "/" in value:  # files of one name in two folders are two values
        return f"{Path(value).stem}.{hashlib.sha256(value.encode()).hexdigest()[:4]}"
    return str(value)
