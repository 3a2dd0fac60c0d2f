"""Redaction of keys and passwords in logs, configs and reports."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from artculture.utils.addresses import ADDRESS, HIDDEN, has_access_data, hidden_addresses
from artculture.utils.visible_text import visible

# Environment variables with these names hold secrets.
NAMES = re.compile(
    r"(?i)(^|[_-])(key|auth|auth_config|access_key_id|pat|pass|pwd|sas|cookie|credentials?|dsn|webhook(_url)?"
    r"|connection_string|conn_str)$|(api_?key|token|secret|password|passwd|passphrase|sshpass)s?$"
)
# `name=value` with a name as above, and `name: value` if the name can't be an ordinary word.
NAMED = re.compile(
    r"""(?ix)
    \b( [\w.-]* (?: [_.-]key | (?<![a-z]) (?:token|secret) | api_?key | password | passwd | passphrase ) =
       | [\w.-]* (?: [_-]key | [_-]token | [_-]secret | password ) [\"']? :\s* )
    ( "[^"]*" | '[^']*' | [^\s'",;)\]}]+ )"""
)
# Headers of requests; the rest of the line is the secret.
HEADERS = re.compile(r"""(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(["']?\s*[:=]\s*["']?)[^\r\n"']+""")
BEARER = re.compile(r"(?i)\b(bearer)\s+(?=[\w.~+/-]*[\d=])[\w.~+/-]{12,}=*")
# Published forms of access tokens. The list of `detect-secrets` lacks those of Hugging Face, W&B and GitHub's present
# ones, and takes ordinary hashes for tokens.
TOKENS = re.compile(
    r"""(?x)
      -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY(?:[ ]BLOCK)?-----[\s\S]*?(?:-----END[ ][A-Z ]+-----|\Z)
    | \b(?: hf_[A-Za-z0-9]{30,} | wandb_v\d_\w{20,} | gh[oprsu]_[A-Za-z0-9]{36,} | github_pat_\w{22,}
          | gl[a-z]{2,6}-[\w-]{20,} | (?:AKIA|ASIA)[0-9A-Z]{16} | AIza[\w-]{35} | ya29\.[\w-]{20,}
          | xox[abeoprs]-[\w-]{10,} | sk-(?=[\w-]*\d)[\w-]{20,}
          | [rs]k_(?:live|test)_[0-9A-Za-z]{24,} | npm_[A-Za-z0-9]{36} | pypi-[\w-]{50,}
          | SG\.[\w-]{22}\.[\w-]{43} | eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]* )
    | hooks\.slack\.com/services/[\w/]+"""
)
# Shorter values of environment variables occur in other text by chance.
SHORTEST = 8


def environment_secrets(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables with names of secrets or with passwords in addresses, except existing paths.

    A password in an address is returned too, under the variable's name and `password`.
    """
    found = os.environ if environment is None else environment
    secrets = {name: value for name, value in found.items() if NAMES.search(name) and not _is_path(value)}
    for name, value in found.items():
        address = ADDRESS.fullmatch(value)
        user, at, _ = address[2].rpartition("@") if address else ("", "", "")
        if at and ":" in user:
            secrets |= {name: value, f"{name} (password)": user.partition(":")[2]}
    return {name: value for name, value in secrets.items() if len(value) >= SHORTEST}


def _is_path(value: str) -> bool:
    try:
        return Path(value).is_absolute() and Path(value).exists()
    except (OSError, ValueError):
        return False


def hidden(text: str) -> str:
    """Return the text with every secret replaced by `***`."""
    for value in sorted(environment_secrets().values(), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    text = HEADERS.sub(rf"\1\2{HIDDEN}", hidden_addresses(text))
    return NAMED.sub(rf"\1{HIDDEN}", BEARER.sub(rf"\1 {HIDDEN}", TOKENS.sub(HIDDEN, text)))


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
        known = [name for name, secret in environment_secrets().items() if secret in value]
        yield from ((key, f"the value of {name}") for name in known)
        if has_access_data(value):
            yield key, "a password, token or signature in an address"
        elif not known and (TOKENS.search(value) or BEARER.search(value)):
            yield key, "an access token"


class HidingFormatter(logging.Formatter):
    """Formatter that replaces secrets and control characters in messages and tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(hidden(super().format(record)))
