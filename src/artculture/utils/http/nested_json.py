"""JSON of other people's servers, with a limit on its nesting."""

import json
from typing import Any


class DeepJSONError(ValueError):
    """Lists and objects are nested too deeply."""


def parse_json(text: bytes | str, max_depth: int) -> Any:
    """Return the value in strict JSON text.

    Raises:
        ValueError: not valid JSON, or deeper than `max_depth` (`DeepJSONError`).
    """
    too_deep = DeepJSONError(f"JSON nested more than {max_depth} levels deep")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise too_deep from error
    if _depth_exceeds(value, max_depth):
        raise too_deep
    return value


def _depth_exceeds(value: Any, max_depth: int) -> bool:
    level = _containers([value])
    for _ in range(max_depth):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return False
    return bool(level)


def _containers(value: Any) -> list[Any]:
    items = value.values() if isinstance(value, dict) else value
    return [item for item in items if isinstance(item, (dict, list))]


def _refuse_constant(name: str) -> None:
    # Python's reader takes NaN and Infinity; written on, they are JSON that no other reader takes.
    raise ValueError(f"{name} is no JSON")
