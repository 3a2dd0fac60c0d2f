"""Input of an analysis: a trained classifier with paintings, and the embeddings it computes from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from artculture.evaluation.calibration import softmax
from artculture.utils.label_words import CULTURE_WORDS, LabelWords

if TYPE_CHECKING:  # Figures need arrays only, so drawing them does not import torch.
    from collections.abc import Mapping

    from artculture.data.paintings import Paintings
    from artculture.data.transforms import Preprocessing
    from artculture.models.classifier import CultureClassifier
    from artculture.models.ensemble import EnsembleClassifier
    from artculture.models.uncertainty import Uncertainty
    from artculture.training.run_directory import RunDirectory


@dataclass(frozen=True)
class EnsembleUnderStudy:
    """An ensemble with the paintings as each of its kinds of preprocessing needs them."""

    classifier: EnsembleClassifier
    paintings: Mapping[Preprocessing, Paintings]

    def networks(self) -> list[tuple[CultureClassifier, Paintings]]:
        kinds = self.classifier.kinds_of_members()
        return [(one, self.paintings[kind]) for one, kind in zip(self.classifier.classifiers, kinds, strict=True)]


@dataclass(frozen=True)
class ModelUnderStudy:
    """A checkpoint with the paintings to analyse.

    Attributes:
        checkpoint: path of the file.
        classifier: in eval mode; of an ensemble its first member.
        paintings: with the classes of the classifier in the same order, and the pixels it expects.
        run: the run of the checkpoint; None for a file outside a run directory.
        data: label of the data, as in the result of a run.
        cache: folder in which embeddings are cached; None for no cache.
        run_split: split of each painting in the run, "" for one that the run did not have; None if unknown.
        own: whether the paintings are those of the run (no other data were requested).
        label: the further label that is studied; None for the primary one, or all of them.
        ensemble: the whole, if the checkpoint is an ensemble.
    """

    checkpoint: Path
    classifier: CultureClassifier
    paintings: Paintings
    run: RunDirectory | None
    data: str = ""
    cache: Path | None = None
    run_split: NDArray[np.object_] | None = None
    own: bool = False
    label: str | None = None
    ensemble: EnsembleUnderStudy | None = None

    @property
    def temperature(self) -> float:
        return self.classifier.temperature if self.ensemble is None else self.ensemble.classifier.temperature

    @property
    def uncertainty(self) -> Uncertainty | None:
        return self.classifier.uncertainty if self.ensemble is None else self.ensemble.classifier.uncertainty

    @property
    def classes(self) -> tuple[str, ...]:
        return self.classifier.classes

    def networks(self) -> list[tuple[CultureClassifier, Paintings]]:
        """Return the networks, several of an ensemble, each with the paintings as it needs them."""
        if self.ensemble is None:
            return [(self.classifier, self.paintings)]
        return self.ensemble.networks()


@dataclass(frozen=True)
class Embeddings:
    """Features and logits of all N paintings, in the order of the manifest.

    Attributes:
        classes: names in label order.
        object_id: str N.
        labels: true class indices, int64 N.
        split: `train`, `val` or `test`, str N.
        features: pooled representation before the head, float32 N x features.
        logits: before temperature scaling, float32 N x classes.
        temperature: divisor of the logits that calibrates the probabilities.
        words: what a class is called.
    """

    classes: tuple[str, ...]
    object_id: NDArray[np.str_]
    labels: NDArray[np.int64]
    split: NDArray[np.str_]
    features: NDArray[np.float32]
    logits: NDArray[np.float32]
    temperature: float = 1.0
    words: LabelWords = CULTURE_WORDS

    def probabilities(self) -> NDArray[np.float64]:
        """Return calibrated probabilities, float64 N x classes; each row sums to 1."""
        return self._probabilities

    @cached_property
    def _probabilities(self) -> NDArray[np.float64]:
        return softmax(self.logits, self.temperature)

    def unit(self) -> Embeddings:
        """Return a copy whose feature vectors have L2 norm 1 (zero vectors stay zero)."""
        lengths = np.linalg.norm(self.features, axis=1, keepdims=True)
        return replace(self, features=(self.features / np.where(lengths > 0, lengths, 1)).astype(np.float32))

    def members(self, split: str) -> NDArray[np.int64]:
        """Return the positions of the paintings of a split, ascending."""
        return np.flatnonzero(self.split == split).astype(np.int64)
