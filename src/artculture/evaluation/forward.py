"""The forward pass of a classifier outside of a trainer, in full precision."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from artculture.models.classifier import CultureClassifier
from artculture.models.full_precision import full_precision
from artculture.utils import hardware

Forward = Callable[[Tensor], tuple[Tensor, Tensor]]


@contextmanager
def forward_on(classifier: CultureClassifier, device: str = "auto") -> Iterator[Forward]:
    """Move a classifier to a device for the length of a `with` block.

    Yields:
        A function of images, uint8 N x 3 x size x size, that returns features and logits, float32 on the CPU.

    Raises:
        InputError: `gpu`, and there is none.
    """
    home = classifier.device
    target = torch.device("cuda" if hardware.checked_accelerator(device) == "gpu" else "cpu")

    def forward(pictures: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(), full_precision(target):
            features, logits = classifier.features_and_logits(pictures.to(target, non_blocking=True))
        return features.cpu(), logits.cpu()

    classifier.eval().to(target)
    try:
        yield forward
    finally:
        classifier.to(home)
