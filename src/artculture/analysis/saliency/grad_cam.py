"""Grad-CAM (Selvaraju et al. 2017, arxiv.org/abs/1610.02391) on the last spatial feature map."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from artculture.analysis.saliency.feature_maps import rescale
from artculture.analysis.saliency.last_feature_map import eval_mode, locate_gradient_map, replaced_output
from artculture.data.transforms import normalise
from artculture.models.classifier import CultureClassifier


def grad_cam(classifier: CultureClassifier, images: Tensor, targets: Tensor) -> NDArray[np.float32]:
    """Compute Grad-CAM on the last spatial map of any backbone that has one.

    The channels of the map are summed, each weighted by the mean gradient of the logit over the channel; negative
    values become 0 and each image is rescaled to 0..1. Computed by captum (maintained by PyTorch, few dependencies:
    pytorch-grad-cam depends on OpenCV, and torchcam supports N x C x h x w maps only). The classifier is unchanged
    and frozen parameters stay frozen: gradients are taken with respect to the map only.

    Args:
        classifier: run in eval mode.
        images: uint8 N x 3 x H x W.
        targets: class index per image, int64 N.

    Returns:
        float32 N x h x w in 0..1; zeros for an image without positive evidence for the class.

    Raises:
        InputError: the backbone has no such map.
    """
    from captum.attr import LayerGradCam

    location, probe = locate_gradient_map(classifier), nn.Identity()

    def through_probe(output: Tensor) -> Tensor:
        # Detached: the gradient ends here, so activations of earlier layers are not kept in memory.
        maps = location.read(output.detach()).contiguous().requires_grad_()
        # A copy is passed on because some networks modify their map in place.
        return location.write(output.detach(), probe(maps).clone())

    device = classifier.device
    with torch.inference_mode(False), torch.enable_grad(), eval_mode(classifier):
        # Copies: tensors created in inference mode cannot be saved for backward.
        targets = targets.to(device, copy=True)
        inputs = normalise(images.to(device), classifier.get_buffer("mean"), classifier.get_buffer("std"))
        with replaced_output(classifier, location.name, through_probe):
            cam = LayerGradCam(classifier.forward, probe).attribute(inputs, target=targets, relu_attributions=True)
    return rescale(cam.detach().squeeze(1).float(), floor=0.0)
