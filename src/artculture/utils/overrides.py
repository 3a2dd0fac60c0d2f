"""Values in the syntax of Hydra's command line."""

import re
from typing import Any

# Text that needs no quotes, because Hydra's grammar can't read it as a number, a keyword or an interpolation.
PLAIN = re.compile(r"(?!(?i:null|true|false|nan|inf)$)[A-Za-z_][\w.-]*", re.ASCII)


def override_value(value: Any) -> str:
    """Return a scalar or a list in the syntax of Hydra's overrides, which reads the same value back."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(override_value(item) for item in value)}]"
    if not isinstance(value, str):
        return repr(value)
    return value if PLAIN.fullmatch(value) else quoted_text(value)


def quoted_text(text: str) -> str:
    """Return text in quotes, in which no character has a meaning for Hydra's grammar."""
    # Backslashes before a quote, and only these, escape in Hydra's quotes.
    escaped = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), text)
    return f"'{escaped}'"
