"""Redaction of keys and passwords in logs, configs and reports."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

NAMES = re.compile(r"(?i)(^|[_-])(api_?key|key|token|secret|password|passwd|passphrase|credentials?)$")
# `name=value` with a name as above, and `name: value` if the name can't be an ordinary word.
NAMED = re.compile(
    r"""(?ix)
    \b( [\w.-]* (?: [_.-]key | (?<![a-z]) (?:token|secret) | api_?key | password | passwd | passphrase ) =
       | [\w.-]* (?: _key | _token | _secret | password ) [\"']? :\s* )
    ( "[^"]*" | '[^']*' | [^\s'",;)\]}]+ )"""
)
# User name and password in a URL.
IN_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/@]+@", re.IGNORECASE)
HIDDEN = "***"
# Shorter values of environment variables occur in other text by chance.
SHORTEST = 8


def environment_secrets(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables with names of secrets, except absolute paths."""
    found = os.environ if environment is None else environment
    return {
        name: value
        for name, value in found.items()
        if NAMES.search(name) and len(value) >= SHORTEST and not os.path.isabs(value)  # noqa: PTH117
    }


def hidden(text: str) -> str:
    """Return the text with every secret replaced by `***`."""
    for value in sorted(environment_secrets().values(), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    text = IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
    return NAMED.sub(rf"\1{HIDDEN}", text)


def without_secrets(value: Any) -> Any:
    """Return nested dicts, lists and scalars with every secret replaced by `***`."""
    if isinstance(value, dict):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return hidden(value) if isinstance(value, str) else value


def secrets_in(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted key, description) of every secret in nested values, without the secret itself."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from secrets_in(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from secrets_in(item, key)
    elif isinstance(value, str):
        if IN_ADDRESS.search(value):
            yield key, "a password in an address"
        yield from ((key, f"the value of {name}") for name, secret in environment_secrets().items() if secret in value)


class HidingFormatter(logging.Formatter):
    """Formatter that replaces secrets in messages and tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        return hidden(super().format(record))
