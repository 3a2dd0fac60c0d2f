from dataclasses import replace

import pytest
import torch
from torchvision.transforms import v2

from artculture.data.transforms import Augmentation, Preprocessing, eval_transform, normalise, train_transform

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


def test_no_augmentation_is_as_evaluation():
    transform = train_transform(USUAL, Augmentation())
    assert torch.equal(transform(picture()), eval_transform(USUAL)(picture()))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_augmented_pictures_stay_bytes_of_one_size(interpolation):
    everything = Augmentation((0.2, 1.0), (0.75, 1.33), flip=True, jitter=0.4, erase=1.0)
    transform = train_transform(replace(USUAL, interpolation=interpolation), everything)
    for shape in ((36, 54), (90, 36), (36, 144)):
        out = transform(picture(*shape))
        assert (out.dtype, out.shape) == (torch.uint8, (3, 32, 32))


@pytest.mark.parametrize("share", [0.0625, 0.25, 1.0])
def test_the_crop_takes_the_share_of_the_area_asked_for(share):
    transform = train_transform(USUAL, Augmentation((share, share), (1.0, 1.0)))
    for seed in range(10):
        torch.manual_seed(seed)
        crop = transform(picture(100, 100)).int()
        for channel in crop[:2]:
            assert int(channel.max() - channel.min()) == pytest.approx(255 * share**0.5, abs=10)


def test_half_of_the_pictures_are_mirrored():
    transform = train_transform(USUAL, Augmentation(flip=True))
    centre = eval_transform(USUAL)(picture())
    torch.manual_seed(0)
    outs = [transform(picture()) for _ in range(200)]
    mirrored = sum(torch.equal(out, centre.flip(2)) for out in outs)
    assert mirrored + sum(torch.equal(out, centre) for out in outs) == 200
    assert 75 < mirrored < 125


def test_jitter_changes_colours_within_its_share():
    grey = torch.full((3, 36, 36), 128, dtype=torch.uint8)
    transform = train_transform(USUAL, Augmentation(jitter=0.2))
    torch.manual_seed(0)
    levels = {int(transform(grey)[0, 0, 0]) for _ in range(50)}
    assert len(levels) > 10
    assert min(levels) >= 128 * 0.8 - 2
    assert max(levels) <= 128 * 1.2 + 2


def test_erased_rectangles_have_the_mean_colour():
    white = torch.full((3, 36, 36), 255, dtype=torch.uint8)
    out = train_transform(USUAL, Augmentation(erase=1.0))(white)
    erased = (out != 255).any(dim=0)
    assert 0.01 < erased.float().mean() < 0.4
    assert out[:, erased].unique(dim=1).tolist() == [[123], [116], [103]]


def test_normalising_is_torchvisions_own():
    batch = torch.stack([picture(), picture().flip(2)])
    before = batch.clone()
    ours = normalise(batch, torch.tensor(MEAN), torch.tensor(STD))
    reference = v2.Normalize(MEAN, STD)(v2.functional.to_dtype(batch, torch.float32, scale=True))
    torch.testing.assert_close(ours, reference)
    assert torch.equal(batch, before)
