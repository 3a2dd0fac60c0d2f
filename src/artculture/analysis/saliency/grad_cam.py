"""Grad-CAM: which places of the last map speak for a culture (Selvaraju et al. 2017, arxiv.org/abs/1610.02391)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from artculture.analysis.saliency.feature_maps import rescale
from artculture.analysis.saliency.last_feature_map import eval_mode, locate_gradient_map, replaced_output
from artculture.data.transforms import normalise
from artculture.models.classifier import CultureClassifier


def grad_cam(classifier: CultureClassifier, pictures: Tensor, targets: Tensor) -> NDArray[np.float32]:
    """Grad-CAM on the last spatial map, for any backbone that has one.

    The sum over channels of the map, each channel weighted by the mean of the logit's gradient over it, positive
    parts only, rescale to 0..1 a picture. It is computed by captum (PyTorch's own, and light: pytorch-grad-cam
    brings OpenCV along, and torchcam takes no maps but N x C x h x w). The classifier is left as it was, and frozen
    parameters stay frozen: gradients are taken with respect to the map alone.

    Args:
        classifier: run in eval mode.
        pictures: uint8 N x 3 x H x W.
        targets: class index a picture, int64 N.

    Returns:
        float32 N x h x w in 0..1; zeros where nothing speaks for the class.

    Raises:
        InputError: a backbone without such a map.
    """
    from captum.attr import LayerGradCam

    place, probe = locate_gradient_map(classifier), nn.Identity()

    def through_probe(output: Tensor) -> Tensor:
        # Cut off from the layers before: the gradient ends here, so nothing of theirs has to be kept in memory.
        maps = place.read(output.detach()).contiguous().requires_grad_()
        # A copy goes on, as some networks change their map in place.
        return place.write(output.detach(), probe(maps).clone())

    device = classifier.device
    with torch.inference_mode(False), torch.enable_grad(), eval_mode(classifier):
        # Copies: what was made in inference mode can't be kept for a gradient.
        targets = targets.to(device, copy=True)
        inputs = normalise(pictures.to(device), classifier.get_buffer("mean"), classifier.get_buffer("std"))
        with replaced_output(classifier, place.name, through_probe):
            cam = LayerGradCam(classifier.forward, probe).attribute(inputs, target=targets, relu_attributions=True)
    return rescale(cam.detach().squeeze(1).float(), floor=0.0)
