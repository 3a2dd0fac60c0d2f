from dataclasses import replace

import pytest
import torch
from torchvision.transforms import v2

from artculture.data.transforms import Preprocessing, eval_transform, normalise

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
USUAL = Preprocessing(32, 36, "bilinear", MEAN, STD)


def picture(height: int = 36, width: int = 54) -> torch.Tensor:
    """Red rises from left to right, green from top to bottom, blue is noise."""
    across = torch.linspace(0, 255, width).expand(height, width)
    down = torch.linspace(0, 255, height)[:, None].expand(height, width)
    noise = torch.rand(height, width, generator=torch.Generator().manual_seed(0)) * 255
    return torch.stack([across, down, noise]).to(torch.uint8)


@pytest.mark.parametrize(("size", "resize"), [(None, 256), (224, 256), (112, 128), (64, 73), (448, 512)])
def test_another_size_keeps_the_share_of_the_picture(size, resize):
    usual = Preprocessing(224, 256, "bilinear", MEAN, STD)
    assert usual.at_size(size) == replace(usual, image_size=size or 224, resize=resize)


def test_the_crop_always_fits():
    assert Preprocessing(224, 224, "bicubic", MEAN, STD).at_size(33).resize == 33


def test_plain_values_make_the_same_again():
    plain = USUAL.as_plain()
    assert plain["mean"] == list(MEAN)
    assert Preprocessing.from_plain(plain) == USUAL


def test_evaluation_sees_the_centre_untouched():
    assert torch.equal(eval_transform(USUAL)(picture()), picture()[:, 2:34, 11:43])


def test_normalising_is_torchvisions_own():
    batch = torch.stack([picture(), picture().flip(2)])
    before = batch.clone()
    ours = normalise(batch, torch.tensor(MEAN), torch.tensor(STD))
    reference = v2.Normalize(MEAN, STD)(v2.functional.to_dtype(batch, torch.float32, scale=True))
    torch.testing.assert_close(ours, reference)
    assert torch.equal(batch, before)


def test_the_memory_format_changes_no_value():
    batch = torch.stack([picture(), picture().flip(2)])
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    ours = normalise(batch.contiguous(memory_format=torch.channels_last), mean, std)
    assert torch.equal(ours, normalise(batch, mean, std))
    assert ours.is_contiguous(memory_format=torch.channels_last)
