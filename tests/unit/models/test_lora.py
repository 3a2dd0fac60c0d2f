import pytest
import timm
import torch
from torch import nn

from artculture.models.lora import LowRank, add_low_rank, merged
from artculture.models.network import Network
from artculture.utils.errors import InputError

PICTURES = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    return timm.create_model("test_vit", num_classes=0).eval()


def test_at_first_nothing_changes_and_only_what_is_added_trains(backbone):
    before = backbone(PICTURES)
    add_low_rank(backbone, rank=2, alpha=4.0)
    add_low_rank(backbone, rank=2, alpha=4.0)  # once only
    assert torch.equal(backbone(PICTURES), before)
    trained = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
    layers = [module for module in backbone.modules() if isinstance(module, nn.Linear)]
    assert len(trained) == 2 * len(layers) > 0
    assert all(name.endswith((".0.down", ".0.up")) for name in trained)


def test_merged_weights_give_the_same_features_in_a_plain_network(backbone):
    add_low_rank(backbone, rank=2, alpha=4.0)
    for module in backbone.modules():
        if isinstance(module, LowRank):
            nn.init.normal_(module.up, std=0.1)
    plain = timm.create_model("test_vit", num_classes=0).eval()
    plain.load_state_dict(merged(backbone.state_dict()))
    assert torch.allclose(plain(PICTURES), backbone(PICTURES), atol=1e-5)
    assert merged(plain.state_dict()).keys() == plain.state_dict().keys()


def test_statistics_of_batchnorm_are_frozen_with_the_backbone():
    backbone = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4)
    )
    network = Network(backbone, nn.Linear(4, 2))
    add_low_rank(backbone, rank=1, alpha=1.0)
    before = backbone[1].running_mean.clone()
    network.train()(PICTURES)
    assert torch.equal(backbone[1].running_mean, before)


def test_a_network_of_convolutions_alone_is_refused():
    with pytest.raises(InputError, match=r"method\.lora: the backbone \(Sequential\) has no linear layers"):
        add_low_rank(nn.Sequential(nn.Conv2d(3, 4, 1)), rank=2, alpha=4.0)
