"""Which culture painted this? Experiments on paintings, from museums to figures."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artculture.models.classifier import CultureClassifier

__version__ = "0.1.0"


def load_classifier(path: str | Path, trust: Sequence[str] = ()) -> CultureClassifier:
    """Return the trained classifier of a checkpoint, in eval mode, with its `temperature` for calibrated probabilities.

    Args:
        path: a checkpoint, a run directory, a published folder, or an address as `hf:name/model@revision`.
        trust: packages other than this one that the checkpoint may import.

    Raises:
        InputError: no such file, not one of our checkpoints, or it names code of a package that is not trusted.
    """
    # Imported by name: this module lies below all others, and needs no torch itself.
    file = import_module("artculture.training.checkpoint_source").checkpoint_file(path)
    loaded: CultureClassifier = import_module("artculture.models.checkpoint").load_classifier(file, trust)
    return loaded
