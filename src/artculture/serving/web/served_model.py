"""A classifier as the server uses it: predictions, maps and similar training paintings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.analysis.embedding.feature_index import FeatureIndex
from artculture.analysis.saliency.explain import TITLES, explain
from artculture.analysis.saliency.feature_maps import overlay
from artculture.data.transforms import Preprocessing, eval_transform
from artculture.evaluation.calibration import softmax
from artculture.evaluation.inference import InferenceModel, TorchModel
from artculture.evaluation.uncertainty import Doubt
from artculture.models.finite import check_predictions_finite
from artculture.models.label_view import of_label
from artculture.serving.web.answers import ClassProbability, ModelPrediction, SaliencyMap, SimilarPainting
from artculture.serving.web.pictures import data_address, jpeg_address
from artculture.utils.addresses import stored_address
from artculture.utils.errors import InputError
from artculture.utils.http.network_guard import host_of

METHODS = ("feature_map", "grad_cam")
# Smallest side of the picture under a map, pixels: the crop of a small network is hard to look at.
SHOWN_SIDE = 384


@dataclass(frozen=True)
class Outcome:
    """What a model gives for one picture.

    Attributes:
        probabilities: of each of the model's labels, calibrated, the primary one first.
        features: before the head.
        set: the prediction set, most probable first; None without one.
        unlike: see `artculture.evaluation.uncertainty.unlike`; None if unknown.
    """

    probabilities: Sequence[NDArray[np.float64]]
    features: NDArray[np.float32]
    set: tuple[str, ...] | None
    unlike: float | None


@dataclass(frozen=True)
class ServedModel:
    """A classifier with what is shown next to its predictions.

    Attributes:
        name: unique among the served ones.
        model: gives the logits of all its labels.
        coverage: of prediction sets; None for no sets.
        index: of its training paintings; None if there is none.
        facts: of the run, JSON values: what the page says of the model.
        run: the run directory; None for a file elsewhere.
    """

    name: str
    model: InferenceModel
    coverage: float | None
    index: FeatureIndex | None
    facts: dict[str, Any]
    run: Path | None = None

    @property
    def doubt(self) -> Doubt | None:
        """Prediction sets and `unlike`, as far as the checkpoint has what they need."""
        known = self.model.uncertainty
        if known is None:
            return None
        return Doubt(self.coverage, bool(known.networks), known, self.model.classes)

    @property
    def shown_kind(self) -> Preprocessing:
        """Preprocessing of the picture under the maps: as for the network, and large enough to look at."""
        kind = self.model.preprocessing
        return kind.at_size(kind.image_size * max(1, -(-SHOWN_SIDE // kind.image_size)))

    def outcomes(self, pictures: Sequence[Tensor]) -> list[Outcome]:
        """Return the outcome of pictures as `InferenceModel.assemble` gives them.

        Raises:
            WorkError: some probabilities are not finite.
        """
        features, logits = (values.numpy() for values in self.model.features_and_logits(torch.stack(list(pictures))))
        check_predictions_finite(logits, self.name)
        parts, start = [], 0
        for output in self.model.outputs:
            end = start + len(output.classes)
            parts.append(softmax(logits[:, start:end], output.temperature))
            start = end
        doubt, count = self.doubt, len(pictures)
        sets: list[tuple[str, ...] | None] = [None] * count if doubt is None else doubt.sets(parts[0])
        shares: list[float | None] = [None] * count if doubt is None else doubt.shares(features)
        return [Outcome([part[row] for part in parts], features[row], sets[row], shares[row]) for row in range(count)]

    def answer(self, outcome: Outcome, top: int) -> ModelPrediction:
        """Return an outcome as the API answers it."""
        named = zip(self.model.outputs, outcome.probabilities, strict=True)
        ranked = {output.name: _most_probable(output.classes, values, top) for output, values in named}
        primary = self.model.outputs[0].name
        return ModelPrediction(
            model=self.name,
            label=self.model.words.one,
            classes=ranked[primary],
            labels={name: values for name, values in ranked.items() if name != primary},
            set=None if outcome.set is None else list(outcome.set),
            coverage=None if outcome.set is None else self.coverage,
            unlike=outcome.unlike,
        )

    def maps(self, picture: Tensor, shown: NDArray[np.uint8], target: int) -> list[SaliencyMap]:
        """Return the feature map and Grad-CAM of a picture.

        Args:
            picture: as of `outcomes`.
            shown: pixels, H x W x 3, for `shown_kind`.
            target: index of the class that Grad-CAM explains.

        Raises:
            InputError: the network has neither.
        """
        if not isinstance(self.model, TorchModel):
            raise InputError("maps need the checkpoint of one network, not an exported file or an ensemble")
        classifier = of_label(self.model.classifier, self.model.classifier.tasks[0].name)
        crop = eval_transform(self.shown_kind)(torch.from_numpy(np.array(shown)).permute(2, 0, 1))
        pixels = crop.permute(1, 2, 0).numpy()
        heats = explain(classifier, picture[None], torch.tensor([target]), METHODS)
        return [
            SaliencyMap(method=name, title=TITLES[name], image=data_address(overlay(pixels, heat[0])))
            for name, heat in heats.items()
        ]

    def similar(self, outcome: Outcome, count: int) -> list[SimilarPainting] | None:
        """Return the most similar paintings of the index; None without one."""
        if self.index is None:
            return None
        found = self.index.search(outcome.features[None], count)
        positions = found.positions[0].tolist()
        rows = self.index.paintings.iloc[positions].to_dict("records")
        return [
            _similar(row, float(similarity), self.index.thumbnail(position))
            for row, similarity, position in zip(rows, found.similarities[0], positions, strict=True)
        ]


def _most_probable(classes: Sequence[str], values: NDArray[np.float64], top: int) -> list[ClassProbability]:
    order = np.argsort(-values, kind="stable")[:top].tolist()
    return [ClassProbability(name=classes[i], probability=float(values[i])) for i in order]


def _similar(row: dict[Any, Any], similarity: float, thumbnail: bytes) -> SimilarPainting:
    text = {str(key): "" if pd.isna(value) else str(value) for key, value in row.items()}
    # A manifest may hold any text, also `javascript:`.
    address = stored_address(text["object_url"]) if host_of(text["object_url"]) else ""
    shown = {name: text[name] for name in ("title", "artist", "date", "source", "object_id")}
    return SimilarPainting(
        similarity=similarity, url=address, label=text["culture"], thumbnail=jpeg_address(thumbnail), **shown
    )
