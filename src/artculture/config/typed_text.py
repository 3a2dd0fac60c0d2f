"""Values that are taken as typed: paths, addresses, labels and titles, with any character of Hydra's grammar."""

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel

from artculture.config.validation import alternatives
from artculture.utils.overrides import quoted_text

# Hydra's functions, by which a grid is given.
FUNCTION = re.compile(r"(choice|glob|range|sort|shuffle|interval|tag)\(.*\)", re.DOTALL)
QUOTES = "'\""


@dataclass(frozen=True)
class AsTyped:
    """Field metadata: values of the key need no quotes.

    Attributes:
        below: pattern of the keys meant below a section with free keys, as in `*.path`.
    """

    below: str = ""


Text = Annotated[str, AsTyped()]
UserPath = Annotated[str, AsTyped(), AfterValidator(os.path.expanduser)]


def typed_keys(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys (or patterns of them) whose values are taken as typed."""
    for name, field in schema.model_fields.items():
        key = prefix + name
        yield from (key + (f".{m.below}" if m.below else "") for m in field.metadata if isinstance(m, AsTyped))
        for annotation in alternatives(field.annotation):
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                yield from typed_keys(annotation, key + ".")


def quoted(argv: Sequence[str], keys: Sequence[str], *, sweeps: bool = False) -> list[str]:
    """Return the arguments with the values of some keys in Hydra's quotes, so that they are read as typed.

    Lists are quoted element by element. Values that are quoted already, null or empty stay.

    Args:
        argv: arguments of a command.
        keys: dotted keys, or patterns of them.
        sweeps: whether a comma separates the values of a grid, unless a path of that name exists.
    """
    found = []
    for text in argv:
        key, equals, value = text.partition("=")
        named = equals and any(fnmatch.fnmatchcase(key.lstrip("+"), pattern) for pattern in keys)
        found.append(f"{key}={_quoted_value(value, sweeps=sweeps)}" if named else text)
    return found


def sweeps_typed(argv: Sequence[str]) -> bool:
    """Return whether the arguments of `train` ask for several runs."""
    return any(text in ("-m", "--multirun") or text.startswith(("study=", "+study=", "hydra.mode=")) for text in argv)


def _quoted_value(value: str, *, sweeps: bool) -> str:
    if value in ("", "null") or _is_quoted(value):
        return value
    if os.path.lexists(os.path.expanduser(value)):  # noqa: PTH111 - Path raises where there is no such user
        return quoted_text(value)
    if sweeps and FUNCTION.fullmatch(value):
        return value
    parts = _split(value)
    if sweeps and len(parts) > 1:
        return ",".join(_quoted_value(part.strip(), sweeps=False) for part in parts)
    if value.startswith("[") and value.endswith("]"):
        return f"[{','.join(_quoted_element(part.strip()) for part in _split(value[1:-1]))}]"
    return quoted_text(value)


def _quoted_element(text: str) -> str:
    return text if not text or _is_quoted(text) else quoted_text(text)


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] in QUOTES and value[-1] == value[0]


def _split(text: str) -> list[str]:
    """Return the parts between commas that stand in no quotes and no brackets."""
    parts, start, depth, quote = [], 0, 0, ""
    for place, letter in enumerate(text):
        opening = letter in QUOTES and not text[start:place].strip(" [")
        if quote:
            quote = "" if letter == quote and text[place - 1] != "\\" else quote
        elif opening:
            quote = letter
        elif letter == "," and not depth:
            parts.append(text[start:place])
            start = place + 1
        else:
            depth += (letter == "[") - (letter == "]")
    return [*parts, text[start:]]
