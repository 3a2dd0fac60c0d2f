"""Which culture painted this? Experiments on paintings, from museums to figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from artculture.models.classifier import CultureClassifier

__version__ = "0.1.0"


def load_classifier(path: str | Path) -> CultureClassifier:
    """Return the trained classifier of a checkpoint, in eval mode, with its `temperature` for calibrated probabilities.

    Raises:
        InputError: no such file, or not one of our checkpoints, whole and safe to read.
    """
    from pathlib import Path

    from artculture.models import checkpoint

    return checkpoint.load_classifier(Path(path))
