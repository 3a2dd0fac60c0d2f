"""What an analysis looks at: a trained classifier and paintings, and what the one makes of the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from artculture.evaluation.calibration import softmax

if TYPE_CHECKING:  # figures are drawn from arrays alone: without torch
    from artculture.data.paintings import Paintings
    from artculture.models.classifier import CultureClassifier
    from artculture.training.run_directory import RunDirectory


@dataclass(frozen=True)
class ModelUnderStudy:
    """A checkpoint beside the paintings to look at.

    Attributes:
        checkpoint: the file.
        classifier: in eval mode.
        paintings: of the same classes in the same order, with pixels as the classifier expects them.
        run: the run that the checkpoint belongs to; None for a file that lies elsewhere.
        data: a short word for the paintings, as a run's result has it.
        cache: folder for what is worth keeping (features); None keeps nothing.
        run_split: the run's split of each painting, "" for one that the run did not have; None where that is unknown.
        own: whether these are the run's own paintings, as no others were asked for.
    """

    checkpoint: Path
    classifier: CultureClassifier
    paintings: Paintings
    run: RunDirectory | None
    data: str = ""
    cache: Path | None = None
    run_split: NDArray[np.object_] | None = None
    own: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        return self.classifier.classes


@dataclass(frozen=True)
class Embeddings:
    """What the classifier makes of every painting, in the manifest's order.

    Attributes:
        classes: names in label order.
        object_id: text, N.
        labels: true class index, int64 N.
        split: `train`, `val` or `test`, N.
        features: the pooled latent representation before the head, float32 N x features.
        logits: float32 N x classes, not calibrated.
        temperature: what the logits are divided by for calibrated probabilities.
    """

    classes: tuple[str, ...]
    object_id: NDArray[np.str_]
    labels: NDArray[np.int64]
    split: NDArray[np.str_]
    features: NDArray[np.float32]
    logits: NDArray[np.float32]
    temperature: float = 1.0

    def probabilities(self) -> NDArray[np.float64]:
        """Calibrated probabilities, N x classes, rows summing to 1."""
        return softmax(self.logits, self.temperature)

    def unit(self) -> Embeddings:
        """The same with every feature vector divided by its L2 length (a vector of zeros stays)."""
        lengths = np.linalg.norm(self.features, axis=1, keepdims=True)
        return replace(self, features=(self.features / np.where(lengths > 0, lengths, 1)).astype(np.float32))

    def members(self, split: str) -> NDArray[np.int64]:
        """Positions of a split, ascending."""
        return np.flatnonzero(self.split == split).astype(np.int64)
