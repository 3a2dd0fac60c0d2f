from collections import Counter

import numpy as np
import pytest
import torch

from artculture.data.augmentation import Augmentation
from artculture.data.class_sampling import ClassSampling
from artculture.data.datamodule import PaintingsDataModule
from artculture.data.sharding import RankSlice
from artculture.data.shards.order import ShardOrder
from artculture.data.transforms import Preprocessing
from artculture.utils.errors import InputError

COUNTS = [600, 90, 10]
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(3), COUNTS))


@pytest.fixture
def make(choose, gallery):
    """A data module of ten calm and three wild pictures: eight and one for training."""
    for index in range(3, 10):
        (gallery / "wild" / f"{index}.png").unlink()
    preprocessing = Preprocessing(32, 36, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    augmentation = Augmentation((0.2, 1.0), (0.75, 1.33), flip=True)

    def module(exponent=0.0, **changes):
        usual = {"batch_size": 4, "num_workers": 0, "class_exponent": exponent}
        return PaintingsDataModule(choose(), preprocessing, augmentation, **{**usual, **changes})

    return module


def epoch_of(loader, epoch):
    loader.sampler.set_epoch(epoch)
    return list(loader)


def same(one, other):
    left, right = ([part for batch in batches for part in batch] for batches in (one, other))
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("exponent", [0.0, 0.5])
def test_classes_and_paintings_are_drawn_as_often_as_their_share_says(exponent):
    draws = ClassSampling(LABELS, exponent, 3)
    shares = np.array(COUNTS) ** exponent / (np.array(COUNTS) ** exponent).sum()
    totals = np.zeros(len(LABELS))
    for epoch in range(200):
        times, places = np.divmod(draws(epoch), len(LABELS))
        assert np.abs(np.bincount(LABELS[places]) - len(LABELS) * shares).max() < 1
        drawn = np.bincount(places, minlength=len(LABELS))
        assert (np.abs(drawn - (len(LABELS) * shares / COUNTS)[LABELS]) < 1).all()
        # numbered 0, 1, 2 … within each painting
        assert len(set(zip(places.tolist(), times.tolist(), strict=True))) == len(LABELS)
        assert (np.bincount(places, weights=times, minlength=len(LABELS)) == drawn * (drawn - 1) / 2).all()
        totals += drawn
    # in the long run every painting of a class alike: within five standard deviations of a share p of 200 epochs
    expected = 200 * (len(LABELS) * shares / COUNTS)[LABELS]
    assert np.abs(totals - expected).max() < 5 * np.sqrt(200 / 4)


def test_draws_are_a_function_of_seed_and_epoch():
    orders = {tuple(ClassSampling(LABELS, 0.0, seed)(epoch)) for seed in (0, 1) for epoch in (0, 1) for _ in range(2)}
    assert len(orders) == 4


def test_shards_are_read_in_windows_whatever_is_drawn():
    draws, shards = ClassSampling(LABELS, 0.0, 0), np.arange(len(LABELS)) // 70
    order = ShardOrder(shards, 2, 0)
    places = order.places(4, draws)
    assert Counter(places.tolist()) == Counter(draws(4).tolist())
    windows = order.windows(4)[shards[places % len(LABELS)]]
    assert (np.diff(windows) >= 0).all()


def test_a_painting_drawn_again_is_augmented_otherwise(make):
    batches = epoch_of(make(batch_size=3).train_dataloader(), 0)
    labels = torch.cat([labels for _, labels, _ in batches])
    wild = torch.cat([pictures for pictures, _, _ in batches])[labels == 1]
    rows = torch.cat([rows for _, _, rows in batches])
    assert abs(len(wild) - len(labels) / 2) < 1
    assert len(rows[labels == 1].unique()) == 1
    assert len({picture.numpy().tobytes() for picture in wild}) == len(wild)


@pytest.mark.parametrize("batches", [1, 2])
def test_a_started_epoch_continues_after_what_was_seen(make, batches):
    whole, rest = make().train_dataloader(), make()
    rest.load_state_dict({"epoch": 2, "batches": batches, **rest.order_facts()})
    loader = rest.train_dataloader()
    assert same(epoch_of(whole, 2)[batches:], list(loader))
    assert same(epoch_of(whole, 3), epoch_of(loader, 3))
    with pytest.raises(InputError, match="within an epoch with another sampler"):
        make(0.5).load_state_dict({"epoch": 2, "batches": batches, **rest.order_facts()})


def test_devices_together_meet_the_batches_of_one(make):
    whole = epoch_of(make().train_dataloader(), 1)
    parts = [epoch_of(make(rank_slice=RankSlice(rank, 2)).train_dataloader(), 1) for rank in range(2)]
    together = [[torch.cat(of_ranks) for of_ranks in zip(*batch, strict=True)] for batch in zip(*parts, strict=True)]
    assert same(whole, together)
