import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from artculture.data.augmentation import Augmentation, erase_boxes
from artculture.data.batches import BatchMaker, ResidentBatches
from artculture.data.cache.pixel_cache import open_cache
from artculture.data.transforms import Preprocessing, eval_transform
from artculture.utils.errors import InputError

PREPROCESSING = Preprocessing(32, 36, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CROP = Augmentation((0.2, 1.0), (0.75, 1.33), flip=True)
ROWS = np.array([3, 0, 11, 19, 7])


@pytest.fixture
def make(manifest, tmp_path):
    def maker(augmentation, preprocessing=PREPROCESSING):
        side, fit = preprocessing.resize, preprocessing.fit
        cache = open_cache(manifest, tmp_path / "cache", side, preprocessing.interpolation, fit=fit)
        return BatchMaker(cache, np.arange(20), preprocessing, augmentation, seed=1)

    return maker


def cut(maker, epoch):
    """The drawn boxes, cut out by indexing."""
    changes = maker.changes(epoch, ROWS)
    for row, (top, left, tall, wide), mirrored in zip(ROWS, changes.boxes, changes.mirrored, strict=True):
        part = torch.from_numpy(maker.cache.image(row)[top : top + tall, left : left + wide].copy()).permute(2, 0, 1)
        yield part.flip(2) if mirrored else part


def test_evaluation_shows_the_centre_untouched(make):
    maker = make(None)
    assert all(torch.equal(out, part) for out, part in zip(maker(0, ROWS), cut(maker, 0), strict=True))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_training_resizes_what_was_drawn(make, interpolation):
    maker = make(CROP, Preprocessing(32, 36, interpolation, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))
    out = maker(2, ROWS)
    assert (out.dtype, out.shape) == (torch.uint8, (5, 3, 32, 32))
    for picture, part in zip(out, cut(maker, 2), strict=True):
        exact = interpolate(part[None].float(), (32, 32), mode=interpolation, antialias=True)[0].clamp(0, 255)
        # Bytes are rounded (bicubic ones clipped too) after each of the two directions.
        assert (picture.float() - exact).abs().mean() <= 0.5


def test_the_centre_without_augmentation_is_evaluations(make):
    assert torch.equal(make(Augmentation())(0, ROWS), make(None)(0, ROWS))


def test_pixels_on_a_device_give_plain_bilinear_samples(make):
    maker = make(CROP)
    out = ResidentBatches.on(torch.device("cpu"), maker)(2, ROWS)
    assert (out.dtype, out.shape) == (torch.uint8, (5, 3, 32, 32))
    for picture, part in zip(out, cut(maker, 2), strict=True):
        exact = interpolate(part[None].float(), (32, 32), mode="bilinear", align_corners=False)[0]
        assert (picture.float() - exact).abs().max() <= 0.6


def test_pixels_on_a_device_show_the_centre_untouched(make):
    maker = make(None)
    assert torch.equal(ResidentBatches.on(torch.device("cpu"), maker)(0, ROWS), maker(0, ROWS))


def test_colours_change_the_same_wherever_pixels_lie(make):
    maker = make(Augmentation(jitter=0.4, erase=1.0))
    assert torch.equal(ResidentBatches.on(torch.device("cpu"), maker)(0, ROWS), maker(0, ROWS))


def test_erasing_at_once_is_erasing_one_by_one():
    pictures = torch.randint(0, 256, (4, 3, 20, 24), dtype=torch.uint8)
    boxes = torch.tensor([[0, 0, 20, 24], [3, 5, 7, 2], [0, 0, 0, 0], [19, 23, 1, 1]])
    blank = torch.tensor([1, 2, 3], dtype=torch.uint8).view(3, 1, 1)
    expected = pictures.clone()
    for picture, (top, left, tall, wide) in zip(expected, boxes.tolist(), strict=True):
        picture[:, top : top + tall, left : left + wide] = blank
    assert torch.equal(erase_boxes(pictures, boxes, blank), expected)


NOISE = {"_target_": "torchvision.transforms.v2.RandAugment", "num_ops": 3, "magnitude": 20}


@pytest.mark.parametrize("resident", [False, True])
def test_further_transforms_draw_by_epoch_and_row_alone(make, resident):
    maker = make(Augmentation(transforms=(NOISE,)))
    images = ResidentBatches.on(torch.device("cpu"), maker) if resident else maker
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = images(2, ROWS)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(images(2, ROWS[::-1].copy()).flip(0), first)
    changed = (first != make(None)(2, ROWS)).flatten(1).any(dim=1)
    assert changed.sum() >= 3
    assert not torch.equal(images(3, ROWS), first)


def test_a_transform_that_gives_no_picture_is_named(make):
    floats = {"_target_": "torchvision.transforms.v2.ToDtype", "dtype": torch.float32, "scale": True}
    with pytest.raises(InputError, match=r"ToDtype` made torch.float32 \(3, 32, 32\)"):
        make(Augmentation(transforms=(floats,)))(0, ROWS)


def test_a_letterbox_shows_the_whole_picture_between_borders(make):
    maker = make(None, PREPROCESSING.at_size(32, "letterbox"))
    out = maker(0, ROWS)
    for picture, row in zip(out, ROWS, strict=True):
        pixels = torch.from_numpy(np.array(maker.cache.image(row))).permute(2, 0, 1)
        tall, wide = pixels.shape[1:]
        assert max(tall, wide) == 32
        top, left = round((32 - tall) / 2), round((32 - wide) / 2)
        assert torch.equal(picture[:, top : top + tall, left : left + wide], pixels)
        assert (picture.sum(dim=(1, 2)) == pixels.sum(dim=(1, 2)) + 127 * (32 * 32 - tall * wide)).all()
        assert torch.equal(eval_transform(maker.preprocessing)(pixels), picture)
    assert torch.equal(ResidentBatches.on(torch.device("cpu"), maker)(0, ROWS), out)


def test_a_stretched_picture_is_shown_whole(make):
    maker = make(None, PREPROCESSING.at_size(32, "stretch"))
    pixels = torch.stack([torch.from_numpy(np.array(maker.cache.image(row))).permute(2, 0, 1) for row in ROWS])
    assert torch.equal(maker(0, ROWS), pixels)


def test_crops_of_a_letterbox_are_the_same_wherever_pixels_lie(make):
    maker = make(CROP, PREPROCESSING.at_size(32, "letterbox"))
    out, there = maker(2, ROWS), ResidentBatches.on(torch.device("cpu"), maker)(2, ROWS)
    borders = [(images == 127).all(dim=1).float().mean().item() for images in (out, there)]
    assert 0.02 < borders[0] < 0.5
    assert borders[0] == pytest.approx(borders[1], abs=0.02)
    assert (out.int() - there.int()).abs().float().mean() < 8  # without antialiasing, edges rounded otherwise
