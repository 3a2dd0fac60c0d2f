"""Full-precision forward pass of a classifier without a `Trainer`."""

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
    """Move a classifier to a device inside a `with` block, and back at its end.

    Yields:
        A function from images, uint8, N x 3 x size x size, to features and logits, both float32 on the CPU.

    Raises:
        InputError: `device` is `gpu` and no GPU is available.
    """
    original = classifier.device
    target = torch.device("cuda" if hardware.checked_accelerator(device) == "gpu" else "cpu")

    def forward(images: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(), full_precision(target):
            features, logits = classifier.features_and_logits(images.to(target, non_blocking=True))
        return features.cpu(), logits.cpu()

    classifier.eval().to(target)
    try:
        yield forward
    finally:
        classifier.to(original)
