"""One interface to trained classifiers, whatever runs them: pictures in, calibrated probabilities out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.config.schema.checkpoint_commands import InferencePrecision
from artculture.data.decoding import read_pixels
from artculture.data.transforms import Preprocessing, eval_transform
from artculture.evaluation.calibration import softmax
from artculture.evaluation.ensembling import joint_logits
from artculture.models.classifier import CultureClassifier
from artculture.models.ensemble import Classifier, EnsembleClassifier
from artculture.models.finite import check_predictions_finite
from artculture.models.full_precision import full_precision
from artculture.models.uncertainty import Uncertainty
from artculture.utils import hardware
from artculture.utils.label_words import CULTURE_WORDS, LabelWords


def _crop(kind: Preprocessing, pixels: NDArray[np.uint8]) -> Tensor:
    return eval_transform(kind)(torch.from_numpy(np.array(pixels)).permute(2, 0, 1))


@dataclass(frozen=True)
class LabelOutput:
    """A label whose logits a model gives.

    Attributes:
        name: of the label.
        classes: names in label order.
        temperature: divisor of the logits for calibrated probabilities.
    """

    name: str
    classes: tuple[str, ...]
    temperature: float


class InferenceModel(ABC):
    """A trained classifier, ready to predict.

    Attributes:
        name: for messages.
        classes: names in label order.
        preprocessing: resize and crop of pictures; normalisation is part of the model.
        temperature: divisor of the logits for calibrated probabilities.
        words: what a class of the primary label is called.
        uncertainty: scores of the validation paintings, for prediction sets and `unlike`; None if unknown.
    """

    name: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    temperature: float
    words: LabelWords = CULTURE_WORDS
    uncertainty: Uncertainty | None = None

    @property
    def kinds(self) -> tuple[Preprocessing, ...]:
        """What is made of a picture; several where the networks of an ensemble differ."""
        return (self.preprocessing,)

    @property
    def outputs(self) -> tuple[LabelOutput, ...]:
        """The labels whose logits are side by side, the primary one first."""
        return (LabelOutput(self.words.key, self.classes, self.temperature),)

    @abstractmethod
    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and logits, both float32 on the CPU.

        Args:
            images: of `prepare`, stacked: uint8 N x 3 x size x size, on the CPU.
        """

    def prepare(self, picture: Path | bytes) -> Tensor:
        """Return a picture as the model takes it: uint8 3 x size x size, of several kinds as of `assemble`.

        Raises:
            BadImageError: it can't be decoded; the message says why.
        """
        return self.assemble([read_pixels(picture, kind.resize, kind.interpolation, kind.fit) for kind in self.kinds])

    def assemble(self, pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Return a picture as the model takes it, from decoded pixels, H x W x 3, for each of `kinds`."""
        return self.crop(pixels[0])

    def crop(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Return the image of evaluation, uint8 3 x size x size, of pixels, H x W x 3, as `read_pixels` gives them."""
        return _crop(self.preprocessing, pixels)

    def probabilities(self, images: Tensor) -> NDArray[np.float64]:
        """Return calibrated probabilities, N x classes, of pictures as `features_and_logits` takes them.

        Raises:
            WorkError: some are not finite.
        """
        return self.calibrated(self.features_and_logits(images)[1])

    def calibrated(self, logits: Tensor) -> NDArray[np.float64]:
        """Return calibrated probabilities, N x classes, of logits.

        Raises:
            WorkError: some are not finite.
        """
        values = logits.numpy()
        check_predictions_finite(values, self.name)
        return softmax(values, self.temperature)


class TorchModel(InferenceModel):
    """A classifier run by torch.

    Args:
        classifier: set to eval mode and moved to the device.
        device: `auto`, `cpu` or `gpu`.
        name: for messages.
        precision: of the network; bfloat16 is autocast.

    Raises:
        InputError: `device` is `gpu` and no GPU is available.
    """

    def __init__(
        self,
        classifier: CultureClassifier,
        device: str = "auto",
        name: str = "the checkpoint",
        precision: InferencePrecision = "float32",
    ) -> None:
        self.name, self.classes, self.precision = name, classifier.classes, precision
        self.preprocessing, self.temperature = classifier.preprocessing, classifier.temperature
        self.words, self.uncertainty = classifier.words, classifier.uncertainty
        self.device = torch.device("cuda" if hardware.checked_accelerator(device) == "gpu" else "cpu")
        self.classifier = classifier.eval().to(self.device)

    @property
    def outputs(self) -> tuple[LabelOutput, ...]:
        if len(self.classifier.tasks) == 1:
            return super().outputs
        named = zip(self.classifier.tasks, self.classifier.temperatures, strict=True)
        return tuple(LabelOutput(task.name, task.classes, temperature) for task, temperature in named)

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")
        with torch.inference_mode(), full_precision(self.device), half:
            features = self.classifier.embed(images.to(self.device, non_blocking=True)).float()
        # The head in float32: that of a probe has the standardisation of its features in its weights.
        with torch.inference_mode(), full_precision(self.device):
            logits = self.classifier(features)
        return features.cpu(), logits.cpu()


class EnsembleModel(InferenceModel):
    """An ensemble run by torch; its features are those of its members, one after the other.

    Where its members take different pictures, a prepared one is a vector: the crops of all `kinds`, flattened.

    Args:
        ensemble: set to eval mode and moved to the device.
        device: `auto`, `cpu` or `gpu`.
        name: for messages.
        precision: of the networks; bfloat16 is autocast.

    Raises:
        InputError: `device` is `gpu` and no GPU is available.
    """

    def __init__(
        self,
        ensemble: EnsembleClassifier,
        device: str = "auto",
        name: str = "the checkpoint",
        precision: InferencePrecision = "float32",
    ) -> None:
        self.name, self.classes, self.ensemble = name, ensemble.classes, ensemble.eval()
        self.preprocessing, self.temperature = ensemble.preprocessing, ensemble.temperature
        self.words, self.uncertainty = ensemble.words, ensemble.uncertainty
        self.members = [TorchModel(member, device, name, precision) for member in ensemble.classifiers]

    @property
    def kinds(self) -> tuple[Preprocessing, ...]:
        return self.ensemble.preprocessings

    def assemble(self, pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
        crops = [_crop(kind, values) for kind, values in zip(self.kinds, pixels, strict=True)]
        return crops[0] if len(crops) == 1 else torch.cat([crop.flatten() for crop in crops])

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        parts = [images]
        if len(self.kinds) > 1:
            sizes = [kind.image_size for kind in self.kinds]
            vectors = torch.split(images, [3 * size * size for size in sizes], dim=1)
            parts = [part.view(-1, 3, size, size) for part, size in zip(vectors, sizes, strict=True)]
        kinds = self.ensemble.kinds_of_members()
        outputs = [
            member.features_and_logits(parts[self.kinds.index(kind)])
            for member, kind in zip(self.members, kinds, strict=True)
        ]
        logits = joint_logits(self.ensemble, [each.numpy() for _, each in outputs])
        return torch.cat([features for features, _ in outputs], dim=1), torch.from_numpy(logits).float()


def inference_model(classifier: Classifier, device: str = "auto", name: str = "the checkpoint") -> InferenceModel:
    """Return a classifier or an ensemble, run by torch; arguments and errors as `TorchModel`."""
    if isinstance(classifier, EnsembleClassifier):
        return EnsembleModel(classifier, device, name)
    return TorchModel(classifier, device, name)
