import re

import pytest
import torch
from torch import nn

from artculture.models import image_sizes
from artculture.models.image_sizes import check_image_size
from artculture.utils.errors import InputError


@pytest.mark.parametrize(
    ("name", "library", "size"),
    [
        *[("alexnet", "torchvision", 63), ("vgg16_bn", "torchvision", 32), ("test_vit", "timm", 96)],
        *[("vit_tiny_patch16_224", "timm", 96), ("vit_small_patch14_dinov2", "timm", 112)],
    ],
)
def test_sizes_that_are_taken(name, library, size):
    check_image_size(name, library, size)


@pytest.mark.parametrize(
    ("name", "library", "size", "advice"),
    [
        ("alexnet", "torchvision", 32, "the smallest size that it takes is data.image_size=63; .* are for 224$"),
        pytest.param(
            "vit_small_patch14_dinov2",
            "timm",
            100,
            "data.image_size=98 or data.image_size=112; .* 518$",
            marks=pytest.mark.slow,
        ),
        (
            "test_vit",
            "timm",
            100,
            "32 px and steps of 16 px from there: data.image_size=96 or data.image_size=112;",
        ),
    ],
)
def test_the_advice_for_a_size_that_is_not_taken_is_true(name, library, size, advice):
    with pytest.raises(InputError, match=f"data.image_size={size} does not suit architecture.name={name}") as caught:
        check_image_size(name, library, size)
    said = str(caught.value).partition("): ")[2]
    assert re.search(advice, said)
    for advised in re.findall(r"data\.image_size=(\d+)", said):
        check_image_size(name, library, int(advised))


class Reader(nn.Module):
    """Reads a value, for which the meta device has none; takes 64 px alone."""

    def forward(self, pictures):
        float(pictures.sum())
        assert pictures.shape[-1] == 64, "not 64"
        return pictures


@pytest.fixture
def reader(monkeypatch):
    def make(*_):
        return type("Made", (), {"module": Reader(), "image_size": 64, "arguments": {}})

    monkeypatch.setattr(image_sizes, "make_backbone", make)
    monkeypatch.setattr(image_sizes, "preprocessing_of", make)


def test_a_network_that_can_t_be_tried_without_computing_is_computed(reader):
    with pytest.raises(RuntimeError):
        Reader()(torch.zeros(1, 3, 64, 64, device="meta"))
    check_image_size("reader", "timm", 64)
    with pytest.raises(InputError, match=r"not 64\): its pretrained weights take data\.image_size=64"):
        check_image_size("reader", "timm", 96)
