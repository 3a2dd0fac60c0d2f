import timm
import torch
from torch import nn

from artculture.models.stage_statistics import (
    DIRECTIONS,
    MOST_STAGES,
    _by_channel,
    _directions,
    _root_of_covariance,
    stages,
    vector_length,
    vector_with_statistics,
)


def test_the_vector_is_followed_by_the_moments_of_each_stage():
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 5, 3))
    backbone = nn.Sequential(first, second, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    pictures = torch.rand(2, 3, 9, 9)
    one = first(pictures)
    other = second(one)
    vectors = vector_with_statistics(backbone, pictures, "moments")
    parts = [backbone(pictures), one.mean((2, 3)), one.std((2, 3), correction=0)]
    parts += [other.mean((2, 3)), other.std((2, 3), correction=0)]
    assert torch.allclose(vectors, torch.cat(parts, 1), atol=1e-4)
    assert vector_length(backbone, 9, "moments") == 5 + 2 * 4 + 2 * 5
    assert not any(module._forward_hooks for module in backbone.modules())


@torch.no_grad()
def test_covariances_follow_the_moments_of_their_stage():
    torch.manual_seed(0)
    first = nn.Conv2d(3, 4, 3)
    backbone = nn.Sequential(first, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    pictures = torch.rand(2, 3, 9, 9)
    vectors = vector_with_statistics(backbone, pictures, "covariances")
    assert torch.equal(vectors[:, :12], vector_with_statistics(backbone, pictures, "moments"))
    values = first(pictures).flatten(2)
    covariances = torch.stack([torch.cov(each, correction=0) for each in values])
    root = torch.zeros_like(covariances)
    root[:, *torch.triu_indices(4, 4)] = vectors[:, 12:]
    root = root + root.triu(1).mT
    assert torch.allclose(root @ root, covariances, rtol=0, atol=0.02 * float(covariances.max()))
    assert vector_length(backbone, 9, "covariances") == 12 + 10
    assert torch.equal(vector_with_statistics(backbone, pictures, "none"), backbone(pictures))


def test_covariances_of_many_channels_are_of_some_directions():
    directions = _directions(320)
    assert torch.allclose(directions.T @ directions, torch.eye(DIRECTIONS), atol=1e-4)
    torch.manual_seed(0)
    centred = torch.randn(2, 400, 320)
    root = _root_of_covariance(centred)
    assert root.shape == (2, DIRECTIONS * (DIRECTIONS + 1) // 2)
    assert torch.isfinite(root).all()
    assert _root_of_covariance(torch.zeros(2, 9, 4)).abs().max() == 0


def test_tokens_and_maps_with_channels_last():
    values = torch.rand(2, 7, 7, 5)
    for output, channels in ((values, 5), (values.permute(0, 3, 1, 2), 5), (values.flatten(1, 2), None)):
        assert torch.equal(_by_channel(output, channels), values.flatten(1, 2))
    assert _by_channel(values[:, 0, 0], None) is None


def test_models_of_timm_say_where_their_stages_end():
    backbone = timm.create_model("test_vit", num_classes=0).eval()
    found = stages(backbone)
    assert 1 < len(found) <= MOST_STAGES
    assert vector_length(backbone, 160, "moments") == backbone.num_features + 2 * sum(channels for _, channels in found)
