"""Checks of single overrides: unknown groups, options and keys, each with the nearest that the command takes."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import OmegaConf

from artculture.config.hydra_habits import hydra_mistake, sweep_mistake
from artculture.config.validation import config_folder, group_options, is_known, nearest_key
from artculture.utils.errors import choices_hint

# Similarity, 0..1, from which an unknown key is a misspelled one, whatever its value.
MISSPELLED = 0.85


def groups_of(command: str, extra_folder: Path | None) -> dict[str, set[str]]:
    """Return the groups that a command takes, and those of the user's own, with all their options."""
    own = group_options([extra_folder]) if extra_folder else {}
    options = group_options([config_folder(), *([extra_folder] if extra_folder else [])])
    shipped = group_options([config_folder()])
    taken = {key.removeprefix("override").strip().lstrip("/") for key, _ in _defaults_of(command)}
    return {name: found for name, found in options.items() if name in taken or (name in own and name not in shipped)}


def _defaults_of(command: str) -> Iterator[tuple[str, Any]]:
    """Yield (group, default option) of a command's config and of the configs that it includes."""
    root: Any = OmegaConf.to_container(OmegaConf.load(config_folder() / f"{command}.yaml"))
    for entry in root.get("defaults", []):
        if isinstance(entry, dict):
            yield from ((str(key), value) for key, value in entry.items())
        elif entry != "_self_":
            yield from _defaults_of(entry)


def groups_of_lists(command: str) -> set[str]:
    """Return the groups that take several options at once: those whose default is a list."""
    return {key for key, value in _defaults_of(command) if isinstance(value, list)}


def override_mistake(text: str, groups: dict[str, set[str]], keys: set[str], lists: set[str]) -> str | None:
    """Return what is wrong with one override and the fix; None if it can be composed.

    Args:
        text: the override as typed.
        groups: group to options, of the command.
        keys: dotted keys of the command's schema.
        lists: groups that take several options at once.
    """
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        return f"`{text}` is not key=value ({str(error).splitlines()[0]})"
    key = override.key_or_group
    if key.startswith("hydra"):
        return hydra_mistake(override)
    if (mistake := sweep_mistake(override)) is not None:
        return mistake
    if key in groups:
        return None if override.is_delete() else _choice_mistake(override, groups[key], several=key in lists)
    if is_known(key, keys):
        return None
    value = override.value()
    owners = [group for group, options in groups.items() if isinstance(value, str) and value in options]
    misspelled = get_close_matches(key, keys, n=1, cutoff=MISSPELLED)
    by_value = len(owners) == 1 and not misspelled
    near = f"did you mean `{owners[0]}={value}`?" if by_value else nearest_key(key, keys | set(groups))
    return f"no key `{key}`: {near}"


def _choice_mistake(override: Override, options: set[str], *, several: bool) -> str | None:
    value: Any = override.value()
    choices: list[Any] = value if several and isinstance(value, list) else [value]
    if isinstance(value, Glob):
        choices = value.filter(sorted(options)) or [None]
    elif override.is_choice_sweep():
        choices = list(override.sweep_iterator())
    for choice in choices:
        if not isinstance(choice, str):
            return f"{override.input_line}: name one option; {choices_hint('', options)}"
        if choice not in options and "/" not in choice:
            return f"{override.key_or_group}={choice}: {choices_hint(choice, options)}"
    return None
