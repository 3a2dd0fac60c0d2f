"""Occlusion (Zeiler & Fergus 2014, arxiv.org/abs/1311.2901): what covering a part does to the probability."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.analysis.saliency.feature_maps import rescale
from artculture.analysis.saliency.last_feature_map import eval_mode
from artculture.data.transforms import normalise
from artculture.models.classifier import CultureClassifier

# The covered square is a seventh of the picture's side, and moves by half of that.
SQUARES = 7
# Covered pictures per forward pass.
BATCH_SIZE = 16


def occlusion(classifier: CultureClassifier, images: Tensor, targets: Tensor) -> NDArray[np.float32]:
    """Compute by how much the calibrated probability of a class falls where a square of the mean colour covers a part.

    Args:
        classifier: run in eval mode; its modes are restored.
        images: uint8 N x 3 x H x W.
        targets: class index per image, int64 N.

    Returns:
        float32 N x H x W in 0..1, the mean fall over the squares that cover a pixel; rises count as 0.
    """
    from captum.attr import Occlusion

    def probabilities(inputs: Tensor) -> Tensor:
        return torch.softmax(classifier(inputs) / classifier.temperature, dim=1)

    device = classifier.device
    side = max(1, images.shape[-1] // SQUARES)
    inputs = normalise(images.to(device), classifier.get_buffer("mean"), classifier.get_buffer("std"))
    with torch.inference_mode(False), torch.no_grad(), eval_mode(classifier):
        falls = Occlusion(probabilities).attribute(
            inputs,
            sliding_window_shapes=(3, side, side),
            strides=(3, max(1, side // 2), max(1, side // 2)),
            baselines=0,  # the mean colour, after normalisation
            target=targets.to(device),
            perturbations_per_eval=BATCH_SIZE,
        )
    return rescale(falls.mean(dim=1).clamp(min=0).float(), floor=0.0)
