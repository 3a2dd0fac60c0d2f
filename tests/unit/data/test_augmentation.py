import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from artculture.data.augmentation import (
    Augmentation,
    DrawnAugmentation,
    apply_colour_changes,
    draw_augmentation,
)
from artculture.data.cropping import centre_boxes, evaluation_boxes

SHAPES = np.array([[36, 54], [90, 36], [36, 144], [100, 100]])
MANY = np.tile(SHAPES, (500, 1))
CROP = Augmentation((0.2, 1.0), (0.75, 1.33))


def drawn(augmentation, shapes=MANY, size=32, seed=0, epoch=0):
    return draw_augmentation(augmentation, shapes, size, seed, epoch, np.arange(len(shapes)))


def batch(level, n=2000, size=32):
    return torch.full((n, 3, size, size), level, dtype=torch.uint8)


def test_crops_lie_within_their_pictures():
    boxes = drawn(CROP).boxes
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] > 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= MANY).all()


@pytest.mark.parametrize("share", [0.0625, 0.25, 1.0])
def test_a_crop_takes_the_share_of_the_area_asked_for(share):
    boxes = drawn(Augmentation((share, share), (1.0, 1.0)), np.array([[100, 100]] * 20)).boxes
    assert (boxes[:, 2:] == round(100 * share**0.5)).all()


def test_crops_are_distributed_as_torchvisions():
    ours = drawn(CROP, np.array([[60, 90]] * 2000)).boxes
    torch.manual_seed(0)
    picture = torch.zeros(3, 60, 90)
    theirs = np.array([v2.RandomResizedCrop.get_params(picture, [0.2, 1.0], [0.75, 1.33]) for _ in range(2000)])
    assert ours.mean(axis=0) == pytest.approx(theirs.mean(axis=0), abs=1.5)
    assert ours.std(axis=0) == pytest.approx(theirs.std(axis=0), abs=1.0)


def test_a_picture_that_no_ratio_fits_gives_its_widest_centre():
    boxes = drawn(Augmentation((1.0, 1.0), (0.75, 1.33)), np.array([[40, 160], [160, 40]])).boxes
    assert boxes.tolist() == [[0, 53, 40, 53], [53, 0, 53, 40]]


def test_nothing_asked_for_is_the_centre():
    changes = drawn(Augmentation(), SHAPES)
    assert np.array_equal(changes.boxes, centre_boxes(SHAPES, 32))
    assert changes.boxes[0].tolist() == [2, 11, 32, 32]
    assert not changes.mirrored.any()
    assert changes.jitter is None
    assert changes.erased is None


def test_crops_of_a_letterbox_lie_within_the_square_around_the_picture():
    shapes = np.tile([[32, 20], [8, 32]], (500, 1))
    boxes = draw_augmentation(CROP, shapes, 32, 0, 0, np.arange(1000), "letterbox").boxes
    around = evaluation_boxes(shapes, 32, "letterbox")
    assert around[:2].tolist() == [[0, -6, 32, 32], [-12, 0, 32, 32]]
    assert (boxes[:, :2] >= around[:, :2]).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= around[:, :2] + 32).all()


def test_half_are_mirrored():
    assert 0.45 < drawn(Augmentation(flip=True)).mirrored.mean() < 0.55


def test_jitter_stays_within_its_share_and_fills_it():
    factors = drawn(Augmentation(jitter=0.2)).jitter
    assert factors.min() >= 0.8
    assert factors.max() <= 1.2
    assert factors.std(axis=0) == pytest.approx([0.4 / 12**0.5] * 3, rel=0.05)


def test_jitter_is_torchvisions_step_by_step():
    pictures = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    factors = np.array([[1.2, 0.7, 1.3], [0.8, 1.0, 1.0], [1.0, 1.4, 1.0], [1.0, 1.0, 0.0]])
    changes = DrawnAugmentation(centre_boxes(np.full((4, 2), 8), 8), np.zeros(4, dtype=bool), jitter=factors)
    ours = apply_colour_changes(pictures.clone(), changes, (0, 0, 0)).int()
    for picture, out, (b, c, s) in zip(pictures, ours, factors, strict=True):
        values = v2.functional.adjust_brightness(picture.float() / 255, b)
        values = v2.functional.adjust_saturation(v2.functional.adjust_contrast(values, c), s)
        assert (out - 255 * values).abs().max() <= 1.01


def test_erased_rectangles_have_the_colour_asked_for():
    changes = drawn(Augmentation(erase=1.0))
    out = apply_colour_changes(batch(255), changes, (123, 116, 103))
    erased = (out != 255).any(dim=1)
    assert 0.02 <= erased.float().mean() <= 0.33
    assert out.permute(0, 2, 3, 1)[erased].unique(dim=0).tolist() == [[123, 116, 103]]


def test_erasing_happens_as_often_as_asked_for():
    out = apply_colour_changes(batch(255), drawn(Augmentation(erase=0.25)), (0, 0, 0))
    assert 0.2 < (out == 0).any(dim=3).any(dim=2).any(dim=1).float().mean() < 0.3
