"""Resolve `checkpoint=…` to a file: a file, a run directory, a published folder, or an address `scheme:…`."""

import re
from collections.abc import Callable
from pathlib import Path

from artculture.models.hub import WEIGHTS, hub_checkpoint
from artculture.training.run_directory import RunDirectory
from artculture.training.tracking.wandb_models import wandb_checkpoint
from artculture.utils.errors import InputError, choices_hint

# Functions from the text after `scheme:` to a local file.
SCHEMES: dict[str, Callable[[str], Path]] = {"hf": hub_checkpoint, "wandb": wandb_checkpoint}
# Two letters at least: `C:` is a drive.
ADDRESS = re.compile(r"([a-z][a-z0-9+]+):(.+)")


def checkpoint_file(checkpoint: str | Path) -> Path:
    """Return the file that `checkpoint=…` means.

    Args:
        checkpoint: a file; a run directory, for its best checkpoint; a folder written by `artculture publish`, for its
            weights; or an address with one of `SCHEMES`, whose file is downloaded. What exists is never an address.

    Raises:
        InputError: an unknown scheme, or an address whose file can't be had.
    """
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        published = path / WEIGHTS
        return published if published.is_file() else RunDirectory(path).best
    address = ADDRESS.fullmatch(str(checkpoint))
    if address is None or path.exists():
        return path
    scheme, rest = address.groups()
    if scheme not in SCHEMES:
        raise InputError(f"checkpoint={checkpoint}: no scheme `{scheme}`: {choices_hint(scheme, SCHEMES)}")
    return SCHEMES[scheme](rest)


def checkpoint_label(checkpoint: Path) -> str:
    """Return the name of a checkpoint outside a run directory, for folders; a published one is named by its folder."""
    return checkpoint.resolve().parent.name if checkpoint.name == WEIGHTS else checkpoint.stem
