import numpy as np
import torch

from artculture.analysis.saliency.occlusion import occlusion
from artculture.models.classifier import CultureClassifier
from artculture.models.network import Network


class Corner(torch.nn.Module):
    """The mean brightness of the upper left corner, and of the rest."""

    def forward(self, pictures):
        return torch.stack([pictures[:, :, :8, :8].mean((1, 2, 3)), pictures[:, :, 8:, 8:].mean((1, 2, 3))], dim=1)


def test_covering_what_decides_lowers_the_probability():
    classifier = CultureClassifier("test_resnet", "timm", ("corner", "rest"), 28).eval()
    classifier.network = Network(Corner(), torch.nn.Identity())
    bright = torch.full((1, 3, 28, 28), 255, dtype=torch.uint8)
    heat = occlusion(classifier, bright, torch.tensor([0]))[0]
    assert heat.shape == (28, 28)
    assert heat[:6, :6].min() > 0.5
    assert not heat[16:, 16:].any()
    assert heat.max() == np.float32(1)
