"""Keys of the configs with their defaults and meanings, as the files and comments of `conf/` state them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# Keys that are Hydra's own, and no values of a config.
HYDRA_KEYS = ("defaults", "hydra")


@dataclass(frozen=True)
class ConfigKey:
    """A key of a config file.

    Attributes:
        name: dotted, from the top of its file.
        default: value as the file states it; empty for a section.
        meaning: its comment: the one on its line, and those on the lines above.
    """

    name: str
    default: str
    meaning: str


@dataclass(frozen=True)
class ConfigFile:
    """A file of `conf/`.

    Attributes:
        summary: comment at its top.
        bases: names of files of the same folder whose keys it takes over.
        choices: config group to the option that is chosen by default.
        keys: in the order of the file.
    """

    summary: str
    bases: tuple[str, ...]
    choices: dict[str, str]
    keys: tuple[ConfigKey, ...]


def read_config(file: Path) -> ConfigFile:
    """Return what a config file states."""
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    values: dict[str, Any] = yaml.safe_load(text) or {}
    bases: list[str] = []
    choices: dict[str, str] = {}
    for entry in values.get("defaults", []):
        if isinstance(entry, str):
            bases.append(entry)
        else:
            choices |= {group: _option(option) for group, option in entry.items() if not group.startswith("override ")}
    summary = []
    for line in lines:
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            summary.append(line.lstrip("# "))
    keys = _keys(root, lines, "") if isinstance(root, yaml.MappingNode) else iter(())
    return ConfigFile(" ".join(summary), tuple(base for base in bases if base != "_self_"), choices, tuple(keys))


def keys_of_option(folder: Path, option: str) -> list[ConfigKey]:
    """Return the keys of an option of a config group: its own, then those of the files that it takes over.

    Args:
        folder: of the group.
        option: name of the option.
    """
    config = read_config(folder / f"{option}.yaml")
    keys = {key.name: key for key in config.keys}
    for base in config.bases:
        for key in keys_of_option(folder, base):
            own = keys.setdefault(key.name, key)
            if not own.meaning:
                keys[key.name] = ConfigKey(own.name, own.default, key.meaning)
    return list(keys.values())


def _option(option: Any) -> str:
    return ", ".join(map(str, option)) if isinstance(option, list) else "null" if option is None else str(option)


def _keys(node: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[ConfigKey]:
    for key, value in node.value:
        if not prefix and key.value in HYDRA_KEYS:
            continue
        name = prefix + key.value
        meaning = " ".join([*_comments_above(lines, key.start_mark.line), *_comment_after(lines, key, value)])
        if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
            yield ConfigKey(name, "", meaning)
            yield from _keys(value, lines, f"{name}.")
        else:
            start, end = value.start_mark, value.end_mark
            text = value.start_mark.buffer[start.pointer : end.pointer]
            yield ConfigKey(name, " ".join(text.split()), meaning)


def _comments_above(lines: list[str], number: int) -> list[str]:
    """The comment lines directly above a line; not those at the top of the file."""
    first = number
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return [line.strip().lstrip("# ") for line in lines[first:number]] if first > 0 else []


def _comment_after(lines: list[str], key: yaml.Node, value: yaml.Node) -> list[str]:
    """The comment that ends the line of a value, or of the key where the value starts below it."""
    mark = value.end_mark if value.start_mark.line == key.end_mark.line else key.end_mark
    _, sign, comment = lines[mark.line][mark.column :].partition("#")
    return [comment.strip()] if sign else []
