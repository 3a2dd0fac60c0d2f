import pytest
import torch
import torchvision
from torch import nn

from artculture.models.backbones import make_backbone
from artculture.models.batchnorm_statistics import has_batchnorm, settle_statistics


def batches(n=3):
    generator = torch.Generator().manual_seed(0)
    return [3 + 2 * torch.randn(16, 3, 8, 8, generator=generator) for _ in range(n)]


def test_statistics_are_those_of_what_was_met():
    layer = nn.BatchNorm2d(3).eval()
    settle_statistics(layer, batches())
    met = torch.cat(batches())
    torch.testing.assert_close(layer.running_mean, met.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(layer.running_var, met.var(dim=(0, 2, 3)), rtol=1e-2, atol=0)


def test_mode_momentum_and_weights_stay():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.Dropout()).eval()
    before = {name: value.clone() for name, value in network.named_parameters()}
    settle_statistics(network, batches())
    assert not any(part.training for part in network)
    assert network[1].momentum == 0.3
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())


def test_a_deep_random_network_gives_smaller_features():
    torch.manual_seed(0)
    backbone = torchvision.models.resnet50().eval()  # ours starts with blocks that are the identity
    backbone.fc = torch.nn.Identity()
    pictures = torch.randn(16, 3, 32, 32)
    with torch.no_grad():
        wild = backbone(pictures).abs().mean()
        settle_statistics(backbone, [pictures])
        assert backbone(pictures).abs().mean() < wild / 3


@pytest.mark.parametrize(("name", "has"), [("resnet50", True), ("alexnet", False)])
def test_who_has_batchnorm(name, has):
    assert has_batchnorm(make_backbone(name, "torchvision").module) is has
