"""Modules of the user's own, next to where a command is started."""

import sys
from pathlib import Path


def import_from(folder: Path) -> None:
    """Let modules in a folder be imported, after installed packages, which they can't replace."""
    if (entry := str(folder.resolve())) not in sys.path:
        sys.path.append(entry)
