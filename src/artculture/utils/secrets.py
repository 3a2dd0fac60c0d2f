"""Keys and passwords, kept out of all that is written: logs, configs, reports."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

NAMES = re.compile(r"(?i)(^|[_-])(api_?key|key|token|secret|password|passwd|passphrase|credentials?)$")
# `name=value` in a text, the name as above, and `name: value` where the name can't be a plain word.
NAMED = re.compile(
    r"""(?ix)
    \b( [\w.-]* (?: [_.-]key | (?<![a-z]) (?:token|secret) | api_?key | password | passwd | passphrase ) =
       | [\w.-]* (?: _key | _token | _secret | password ) [\"']? :\s* )
    ( "[^"]*" | '[^']*' | [^\s'",;)\]}]+ )"""
)
# The part of an address before its host that says who asks.
IN_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/@]+@", re.IGNORECASE)
HIDDEN = "***"
# Shorter values of an environment variable stand in any text by chance.
SHORTEST = 8


def secrets_at_hand(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Values of the environment whose names say that they are secret, by name; paths of files are none."""
    found = os.environ if environment is None else environment
    return {
        name: value
        for name, value in found.items()
        if NAMES.search(name) and len(value) >= SHORTEST and not os.path.isabs(value)  # noqa: PTH117
    }


def hidden(text: str) -> str:
    """The text with every secret in it replaced by `***`."""
    for value in sorted(secrets_at_hand().values(), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    text = IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
    return NAMED.sub(rf"\1{HIDDEN}", text)


def without_secrets(value: Any) -> Any:
    """The same nested dicts, lists and scalars with every secret in a text replaced."""
    if isinstance(value, dict):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return hidden(value) if isinstance(value, str) else value


def secrets_in(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Where nested values hold a secret, as (dotted key, what it is); the secret itself is not told."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from secrets_in(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from secrets_in(item, key)
    elif isinstance(value, str):
        if IN_ADDRESS.search(value):
            yield key, "a password in an address"
        yield from ((key, f"the value of {name}") for name, secret in secrets_at_hand().items() if secret in value)


class HidingFormatter(logging.Formatter):
    """Formats as usual, tracebacks included, and hides what is secret."""

    def format(self, record: logging.LogRecord) -> str:
        return hidden(super().format(record))
