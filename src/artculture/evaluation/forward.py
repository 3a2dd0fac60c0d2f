"""Forward pass of a classifier without a `Trainer`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

from artculture.config.schema.checkpoint_commands import InferencePrecision
from artculture.evaluation.inference import TorchModel
from artculture.models.classifier import CultureClassifier

Forward = Callable[[Tensor], tuple[Tensor, Tensor]]


@contextmanager
def forward_on(
    classifier: CultureClassifier, device: str = "auto", precision: InferencePrecision = "float32"
) -> Iterator[Forward]:
    """Move a classifier to a device inside a `with` block, and back at its end.

    Args:
        classifier: its weights stay float32.
        device: `auto`, `cpu` or `gpu`.
        precision: of the network; bfloat16 is autocast.

    Yields:
        A function from images, uint8, N x 3 x size x size, to features and logits, both float32 on the CPU.

    Raises:
        InputError: `device` is `gpu` and no GPU is available.
    """
    original = classifier.device
    try:
        yield TorchModel(classifier, device, precision=precision).features_and_logits
    finally:
        classifier.to(original)
