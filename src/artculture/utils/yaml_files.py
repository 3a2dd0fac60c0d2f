"""Reading of YAML files that others may have written."""

from pathlib import Path
from typing import Any

import yaml

from artculture.utils.errors import InputError, reason_of

MAX_BYTES = 4_000_000
# Values of a document with every alias written out; our largest config has about 200.
MAX_VALUES = 100_000


def read_yaml(path: Path) -> Any:
    """Return the plain values in a YAML file.

    Raises:
        InputError: it is no YAML, or too large, also if its aliases (`*name`) are written out.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is not readable YAML (more than {MAX_BYTES / 1e6:g} MB)")
        return _parsed(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # an impossible date, unlimited nesting
        reason = " ".join(str(error).split()) or reason_of(error)
        raise InputError(f"{path} is not readable YAML ({reason})") from error


def _parsed(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES:,} values, with its aliases written out")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Return the number of values below a node, itself included; an alias counts like what it stands for."""
    if id(node) in known:
        if known[id(node)] == 0:
            raise ValueError("an alias inside what it stands for")
        return known[id(node)]
    known[id(node)] = 0
    children = node.value if isinstance(node, yaml.CollectionNode) else []
    parts = [part for child in children for part in (child if isinstance(child, tuple) else (child,))]
    known[id(node)] = 1 + sum(_count(part, known) for part in parts)
    return known[id(node)]
