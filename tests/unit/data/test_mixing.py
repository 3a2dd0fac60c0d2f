import numpy as np
import pytest
import torch

from artculture.config.schema.augment import Mix
from artculture.data.mixing import DrawnMix, apply_mix, draw_mix

PICTURES = torch.randint(0, 256, (4, 3, 10, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def drawn(mix, count=400, epoch=0):
    return [draw_mix(mix, 64, 0, epoch, row) for row in range(count)]


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_shares_follow_a_mirrored_beta_distribution(alpha):
    shares = np.array([each.share for each in drawn(Mix(mixup=alpha), 2000)])
    expected = np.random.default_rng(0).beta(alpha, alpha, 2000)
    expected = np.maximum(expected, 1 - expected)
    assert shares.min() >= 0.5
    assert np.quantile(shares, [0.25, 0.5, 0.75]) == pytest.approx(np.quantile(expected, [0.25, 0.5, 0.75]), abs=0.03)


def test_a_rectangle_of_cutmix_lies_inside_and_has_the_partners_share():
    for each in drawn(Mix(cutmix=1.0)):
        top, left, tall, wide = each.box
        assert min(top, left) >= 0
        assert max(top + tall, left + wide) <= 64
        assert each.share == pytest.approx(1 - tall * wide / 64**2)


def test_batches_take_either_as_often_as_asked_for():
    both = drawn(Mix(mixup=0.2, cutmix=1.0, probability=0.5), 1000)
    assert 0.45 < np.mean([each.share < 1 for each in both]) < 0.56
    assert 0.42 < np.mean([each.box is not None for each in both if each.share < 1]) < 0.58
    assert drawn(Mix(mixup=1.0), 3) == drawn(Mix(mixup=1.0), 3) != drawn(Mix(mixup=1.0), 3, epoch=1)


def test_mixup_is_the_weighted_mean_with_the_next_image():
    mixed = apply_mix(PICTURES.clone(), DrawnMix(0.75), 4)
    expected = 0.75 * PICTURES + 0.25 * PICTURES[[1, 2, 3, 0]]
    assert (mixed - expected).abs().max() <= 0.5


@pytest.mark.parametrize("drawn", [DrawnMix(0.75), DrawnMix(0.88, (1, 2, 4, 3)), DrawnMix(1.0)])
def test_a_part_of_a_batch_is_mixed_as_in_the_whole(drawn):
    whole = apply_mix(PICTURES.clone(), drawn, 4)
    assert torch.equal(apply_mix(PICTURES[:3].clone(), drawn, 2), whole[:2])
    assert DrawnMix.from_tensor(drawn.as_tensor()) == drawn


def test_cutmix_copies_its_rectangle_of_the_next_image():
    mixed = apply_mix(PICTURES.clone(), DrawnMix(0.88, (1, 2, 4, 3)), 4)
    inside = torch.zeros(10, 10, dtype=torch.bool)
    inside[1:5, 2:5] = True
    assert torch.equal(mixed[..., inside], PICTURES[[1, 2, 3, 0]][..., inside])
    assert torch.equal(mixed[..., ~inside], PICTURES[..., ~inside])
