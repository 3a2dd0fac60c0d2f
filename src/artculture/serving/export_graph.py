"""The program that is exported: uint8 pictures in, calibrated probabilities, logits and features out."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from artculture.data.transforms import normalise
from artculture.models.classifier import CultureClassifier

INPUT = "images"
OUTPUTS = ("probabilities", "logits", "features")
# Pictures in the example; 1 would be taken for a constant.
EXAMPLE_BATCH = 2
METADATA = "artculture"
EXPORT_FORMAT = 1


class ExportedNetwork(nn.Module):
    """Normalisation, network, temperature and softmax of a classifier.

    Args:
        classifier: in eval mode; it is not changed.
        half: whether the backbone computes in float16. What is around it stays in float32: the head of a probe has the
            standardisation of its features in its weights.
    """

    def __init__(self, classifier: CultureClassifier, *, half: bool = False) -> None:
        super().__init__()
        network = copy.deepcopy(classifier.network).cpu().eval()
        # Exported programs are in the default memory format; what runs them chooses its own.
        self.network = network.to(memory_format=torch.contiguous_format).requires_grad_(False)
        self.dtype = torch.float16 if half else torch.float32
        self.network.backbone.to(self.dtype)
        self.register_buffer("mean", classifier.get_buffer("mean").detach().cpu().clone())
        self.register_buffer("std", classifier.get_buffer("std").detach().cpu().clone())
        self.temperature = classifier.temperature

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return probabilities, logits and features, float32, of images uint8 N x 3 x size x size."""
        pictures = normalise(images, self.get_buffer("mean"), self.get_buffer("std")).to(self.dtype)
        features = self.network.embed(pictures).float()
        logits = self.network.head(features).float()
        return torch.softmax(logits / self.temperature, dim=1), logits, features


def example(classifier: CultureClassifier) -> Tensor:
    """Return a batch of blank pictures, uint8 N x 3 x size x size."""
    size = classifier.preprocessing.image_size
    return torch.zeros(EXAMPLE_BATCH, 3, size, size, dtype=torch.uint8)


def metadata(classifier: CultureClassifier, **facts: Any) -> dict[str, Any]:
    """Return what a reader of an exported file needs in addition to the graph, JSON values."""
    size = classifier.preprocessing.image_size
    return {
        "format": EXPORT_FORMAT,
        "input": f"{INPUT}: uint8, N x 3 x {size} x {size}, RGB",
        "outputs": list(OUTPUTS),
        "classes": list(classifier.classes),
        "label_name": classifier.words.one,
        "preprocessing": classifier.preprocessing.as_plain(),
        "temperature": classifier.temperature,
        **facts,
    }
