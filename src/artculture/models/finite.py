"""Refuse weights and predictions that are not finite."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.utils.errors import InputError, WorkError


def check_weights_finite(state: dict[str, Any], source: Path | str) -> None:
    """Check that every floating-point tensor of a state dict is finite.

    Raises:
        InputError: one holds NaN or infinity; the message names it.
    """
    for name, value in state.items():
        if isinstance(value, Tensor) and value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"{source}: the weights {name} are not finite (NaN or infinity); take another file")


def check_predictions_finite(logits: NDArray[np.floating[Any]], checkpoint: Path | str) -> None:
    """Check that all logits, N x classes, are finite.

    Raises:
        WorkError: naming the checkpoint and how many are not.
    """
    bad = int((~np.isfinite(logits)).any(axis=1).sum())
    if bad:
        raise WorkError(
            f"{checkpoint}: {bad} of {len(logits)} predictions are not finite (NaN or infinity); "
            "train again with trainer.precision=32 or smaller learning rates"
        )
