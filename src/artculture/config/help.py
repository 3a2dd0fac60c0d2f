"""Help texts of the commands, made of the files of `conf/` and their comments."""

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from artculture.config.reference import ConfigFile, ConfigKey, keys_of_option, read_config
from artculture.config.validation import config_folder, group_options
from artculture.utils.errors import InputError, choices_hint

NARROWEST, WIDEST = 60, 120
# The widest column of names; a longer name has its meaning on the next line.
NAMES = 24
# Sections with more keys are one line of the overview.
SMALL_SECTION = 3
LONGEST_DEFAULT = 40
# Values without meaning of their own to a reader: the name of the chosen option.
UNLISTED = ("name",)


def asks_for_help(argv: list[str]) -> bool:
    """Return whether arguments ask for a command's help."""
    return any(text in ("-h", "--help") for text in argv)


def command_help(command: str, argv: list[str]) -> str:
    """Return the help of a command on one screen, or that of the config groups among its arguments.

    Args:
        command: name of the root config, `conf/<command>.yaml`.
        argv: arguments, such as `--help`, `--help data` or `data=folder --help`.

    Raises:
        InputError: a word that is neither a group of the command nor one of its keys.
    """
    config = _command_config(command)
    topics = [text.partition("=") for text in argv if not text.startswith("-")]
    groups = group_options([config_folder()])
    keys = {key.name for key in config.keys}
    sections = []
    for name, _, option in topics:
        if name in config.choices:
            sections.append(_group_help(name, option, config.choices[name], groups[name]))
        elif name in keys:
            found = [key for key in config.keys if f"{key.name}.".startswith(f"{name}.")]
            sections.append("\n".join([*_table(_key_rows(found)), ""]))
        elif name.split(".")[0] not in {*config.choices, *keys}:
            raise InputError(f"no group or key `{name}`: {choices_hint(name, [*config.choices, *keys])}")
    return "\n".join(sections) or _overview(command, config, groups)


def _command_config(command: str) -> ConfigFile:
    """A command's config file, with the choices and keys of the command that it builds upon."""
    config = read_config(config_folder() / f"{command}.yaml")
    for base in config.bases:
        below = _command_config(base)
        config = ConfigFile(config.summary, (), below.choices | config.choices, (*below.keys, *config.keys))
    return config


def _overview(command: str, config: ConfigFile, groups: dict[str, set[str]]) -> str:
    shown = _shown_help(command)
    lines = [*_wrapped(shown["header"]), "", f"Usage: {_usage(command, config)}"]
    if config.choices:
        lines += ["", "Groups (the default first):"]
        lines += _table((group, _options(config.choices[group], groups[group])) for group in config.choices)
    lines += ["", "Keys (with their defaults):", *_table(_key_rows(_first_keys(config.keys)))]
    lines += ["", "Examples:", *textwrap.indent(shown["footer"].rstrip(), "  ").splitlines(), ""]
    about = [f"`artculture {command} --help GROUP` lists a group's options and keys"] if config.choices else []
    return "\n".join([*lines, *_wrapped("; ".join([*about, "--cfg job shows the whole config."]))]) + "\n"


def _shown_help(command: str) -> dict[str, Any]:
    values = yaml.safe_load((config_folder() / f"{command}.yaml").read_text(encoding="utf-8"))
    shown: dict[str, Any] = values["hydra"]["help"]
    return shown


def _usage(command: str, config: ConfigFile) -> str:
    parts = [_shown_help(command)["app_name"]]
    parts += [f"{key.name}=…" for key in config.keys if key.default == "???"]
    parts += ["[group=option …]"] if config.choices else []
    parts += ["[key=value …]"]
    return " ".join([*parts, *(["[-m]"] if command == "train" else [])])


def _options(default: str, options: Iterable[str]) -> str:
    first = [] if default == "null" else default.split(", ")
    none = ["none"] if default == "null" and "none" not in options else []
    return ", ".join([*none, *first, *sorted(set(options) - set(first))])


def _group_help(group: str, option: str, default: str, options: set[str]) -> str:
    folder = config_folder() / group
    if option and option not in options:
        raise InputError(f"{group}={option}: {choices_hint(option, options)}")
    if option:
        return "\n".join([*_wrapped(_summary(folder, option)), *_keys_of(folder, group, option)])
    rows = ((name, _summary(folder, name)) for name in sorted(options))
    shown = default if default in options else sorted(options)[0]
    return "\n".join([f"{group}: {_options(default, options)}", *_table(rows), *_keys_of(folder, group, shown)])


def _keys_of(folder: Path, group: str, option: str) -> list[str]:
    keys = [key for key in keys_of_option(folder, option) if key.name not in UNLISTED]
    named = [ConfigKey(f"{group}.{key.name}", key.default, key.meaning) for key in keys]
    return ["", f"Keys of {group}={option}:", *_table(_key_rows(named)), ""] if keys else [""]


def _summary(folder: Path, option: str) -> str:
    return read_config(folder / f"{option}.yaml").summary


def _first_keys(keys: Iterable[ConfigKey]) -> Iterator[ConfigKey]:
    """The top-level keys, and those of small sections."""
    listed = list(keys)
    for key in listed:
        section, dot, _ = key.name.rpartition(".")
        inside = [other for other in listed if other.name.startswith(f"{section}.")]
        if not dot or ("." not in section and len(inside) <= SMALL_SECTION):
            yield key


def _key_rows(keys: Iterable[ConfigKey]) -> Iterator[tuple[str, str]]:
    for key in keys:
        # What is computed from other keys is in the meaning, or shown by --cfg job.
        hidden = key.default == "???" or "${" in key.default or len(key.default) > LONGEST_DEFAULT
        yield f"{key.name}={'…' if hidden else key.default}" if key.default else f"{key.name}.*", key.meaning


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Two columns, the second wrapped to the terminal's width."""
    listed = list(rows)
    column = min(NAMES, max((len(name) for name, _ in listed), default=0)) + 2
    lines = []
    for name, meaning in listed:
        wrapped = textwrap.wrap(meaning, _width() - column - 2) or [""]
        lines += [f"  {name:<{column}}{wrapped.pop(0)}".rstrip()] if len(name) <= column - 2 else [f"  {name}"]
        lines += [" " * (column + 2) + text for text in wrapped if text]
    return lines


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), _width())


def _width() -> int:
    return min(WIDEST, max(NARROWEST, shutil.get_terminal_size().columns))
