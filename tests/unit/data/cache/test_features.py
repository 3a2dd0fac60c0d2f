import pytest
import torch

from artculture.data.augmentation import Augmentation
from artculture.data.cache.features import FeatureDataModule
from artculture.data.datamodule import PaintingsDataModule
from artculture.data.transforms import Preprocessing

PREPROCESSING = Preprocessing(32, 36, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Embed:
    """Channel means of four quarters: a backbone that counts how many pictures it has seen."""

    def __init__(self):
        self.seen = 0

    def __call__(self, pictures):
        self.seen += len(pictures)
        return torch.nn.functional.adaptive_avg_pool2d(pictures.float(), 2).flatten(1)


@pytest.fixture
def make(choose):
    def module(embed, views=2, backbone="one", **changes):
        usual = {"augmentation": Augmentation((0.2, 1.0), (0.75, 1.33), flip=True), "batch_size": 4, "seed": 0}
        return FeatureDataModule(
            PaintingsDataModule(choose(), PREPROCESSING, **{**usual, **changes}), embed, lambda: backbone, views
        )

    return module


def epoch_of(data, epoch):
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return list(loader)


def by_row(batches):
    return {int(row): vector for features, _, rows in batches for vector, row in zip(features, rows, strict=True)}


def test_batches_are_the_pictures_seen_through_the_backbone(make):
    data = make(Embed(), views=3)
    pictures = data.pictures.train_dataloader()
    for epoch in range(3):
        pictures.sampler.set_epoch(epoch)
        for (features, labels, rows), (shown, *others) in zip(epoch_of(data, epoch), pictures, strict=True):
            torch.testing.assert_close(features, Embed()(shown))
            assert torch.equal(labels, others[0])
            assert torch.equal(rows, others[1])


def test_epochs_take_turns_with_the_views(make):
    data = make(Embed(), views=2)
    by_epoch = [by_row(epoch_of(data, epoch)) for epoch in range(4)]
    assert all(torch.equal(by_epoch[0][row], by_epoch[2][row]) for row in by_epoch[0])
    assert not any(torch.equal(by_epoch[0][row], by_epoch[1][row]) for row in by_epoch[0])


def test_a_view_passes_the_backbone_once_ever(make):
    first, second = Embed(), Embed()
    for epoch in range(5):
        epoch_of(make(first), epoch)
        epoch_of(make(second), epoch)
    assert first.seen == 2 * 16
    assert second.seen == 0


@pytest.mark.parametrize(
    "changes", [{"backbone": "another"}, {"seed": 1}, {"augmentation": Augmentation(flip=True)}], ids=str
)
def test_whatever_changes_the_features_makes_new_ones(make, changes):
    epoch_of(make(Embed()), 0)
    changed = Embed()
    epoch_of(make(changed, **changes), 0)
    assert changed.seen == 16


@pytest.mark.parametrize("split", ["val", "test"])
def test_held_out_pictures_come_once_in_order_and_unchanged(make, split):
    data = make(Embed())
    pictures = torch.cat([batch[0] for batch in data.pictures.eval_dataloader(split)])
    features = torch.cat([batch[0] for batch in data.eval_dataloader(split)])
    torch.testing.assert_close(features, Embed()(pictures))


def test_a_view_that_was_cut_short_is_not_taken_for_whole(make):
    class Interrupted(Embed):
        def __call__(self, pictures):
            if self.seen:
                raise KeyboardInterrupt
            return super().__call__(pictures)

    with pytest.raises(KeyboardInterrupt):
        epoch_of(make(Interrupted()), 0)
    again = Embed()
    epoch_of(make(again), 0)
    assert again.seen == 16
