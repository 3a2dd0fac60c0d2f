"""One interface to trained classifiers, whatever runs them: pictures in, calibrated probabilities out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.data.decoding import read_pixels
from artculture.data.transforms import Preprocessing, eval_transform
from artculture.evaluation.calibration import softmax
from artculture.models.classifier import CultureClassifier
from artculture.models.finite import check_predictions_finite
from artculture.models.full_precision import full_precision
from artculture.utils import hardware


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
    """

    name: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    temperature: float

    @property
    def outputs(self) -> tuple[LabelOutput, ...]:
        """The labels whose logits are side by side, the primary one first."""
        return (LabelOutput("culture", self.classes, self.temperature),)

    @abstractmethod
    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and logits, both float32 on the CPU.

        Args:
            images: uint8 N x 3 x size x size, on the CPU.
        """

    def prepare(self, picture: Path | bytes) -> Tensor:
        """Return a picture as the model takes it: uint8 3 x size x size.

        Raises:
            BadImageError: it can't be decoded; the message says why.
        """
        expected = self.preprocessing
        return self.crop(read_pixels(picture, expected.resize, expected.interpolation, expected.fit))

    def crop(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Return the image of evaluation, uint8 3 x size x size, of pixels, H x W x 3, as `read_pixels` gives them."""
        return eval_transform(self.preprocessing)(torch.from_numpy(np.array(pixels)).permute(2, 0, 1))

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
    """A classifier run by torch, in float32.

    Args:
        classifier: set to eval mode and moved to the device.
        device: `auto`, `cpu` or `gpu`.
        name: for messages.

    Raises:
        InputError: `device` is `gpu` and no GPU is available.
    """

    def __init__(self, classifier: CultureClassifier, device: str = "auto", name: str = "the checkpoint") -> None:
        self.name, self.classes = name, classifier.classes
        self.preprocessing, self.temperature = classifier.preprocessing, classifier.temperature
        self.device = torch.device("cuda" if hardware.checked_accelerator(device) == "gpu" else "cpu")
        self.classifier = classifier.eval().to(self.device)

    @property
    def outputs(self) -> tuple[LabelOutput, ...]:
        if len(self.classifier.tasks) == 1:
            return super().outputs
        named = zip(self.classifier.tasks, self.classifier.temperatures, strict=True)
        return tuple(LabelOutput(task.name, task.classes, temperature) for task, temperature in named)

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(), full_precision(self.device):
            features, logits = self.classifier.features_and_logits(images.to(self.device, non_blocking=True))
        return features.cpu(), logits.cpu()
