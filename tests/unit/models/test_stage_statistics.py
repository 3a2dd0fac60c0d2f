import timm
import torch
from torch import nn

from artculture.models.stage_statistics import MOST_STAGES, _statistics, stages, vector_length, vector_with_statistics


def test_the_vector_is_followed_by_the_moments_of_each_stage():
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 5, 3))
    backbone = nn.Sequential(first, second, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    pictures = torch.rand(2, 3, 9, 9)
    one = first(pictures)
    other = second(one)
    vectors = vector_with_statistics(backbone, pictures)
    parts = [backbone(pictures), one.mean((2, 3)), one.std((2, 3), correction=0)]
    parts += [other.mean((2, 3)), other.std((2, 3), correction=0)]
    assert torch.allclose(vectors, torch.cat(parts, 1), atol=1e-4)
    assert vector_length(backbone, 9) == 5 + 2 * 4 + 2 * 5
    assert not any(module._forward_hooks for module in backbone.modules())


def test_tokens_and_maps_with_channels_last():
    values = torch.rand(2, 7, 7, 5)
    expected = torch.cat([values.mean((1, 2)), values.std((1, 2), correction=0)], 1)
    for output, channels in ((values, 5), (values.permute(0, 3, 1, 2), 5), (values.flatten(1, 2), None)):
        assert torch.allclose(torch.cat(list(_statistics(output, channels)), 1), expected, atol=1e-4)
    assert _statistics(values[:, 0, 0], None) == ()


def test_models_of_timm_say_where_their_stages_end():
    backbone = timm.create_model("test_vit", num_classes=0).eval()
    found = stages(backbone)
    assert 1 < len(found) <= MOST_STAGES
    assert vector_length(backbone, 160) == backbone.num_features + 2 * sum(channels for _, channels in found)
