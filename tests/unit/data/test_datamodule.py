from dataclasses import replace

import lightning as L
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel

from artculture.config.schema.augment import Mix
from artculture.data.augmentation import Augmentation
from artculture.data.batches import ResidentBatches
from artculture.data.counter_rng import derived_seed
from artculture.data.datamodule import PaintingsDataModule
from artculture.data.dataset import EpochSampler
from artculture.data.decoding import read_pixels
from artculture.data.sharding import RankSlice
from artculture.data.transforms import Preprocessing
from artculture.utils.errors import InputError

PREPROCESSING = Preprocessing(32, 36, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
STRONG = Augmentation((0.2, 1.0), (0.75, 1.33), flip=True, jitter=0.4, erase=0.5)
MIXED = Augmentation((0.2, 1.0), (0.75, 1.33), mix=Mix(mixup=1.0, cutmix=1.0))


@pytest.fixture
def make(choose):
    def module(**changes):
        usual = {"augmentation": STRONG, "batch_size": 4, "seed": 0, "num_workers": 0}
        return PaintingsDataModule(choose(), PREPROCESSING, **{**usual, **changes})

    return module


def epoch_of(loader, epoch):
    loader.sampler.set_epoch(epoch)
    return list(loader)


def rows_of(batches):
    return torch.cat([rows for _, _, rows in batches]).tolist()


def pictures_by_row(batches):
    return {int(row): picture for pictures, _, rows in batches for picture, row in zip(pictures, rows, strict=True)}


def same(one, other):
    left, right = ([part for batch in batches for part in batch] for batches in (one, other))
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_a_batch_is_bytes_labels_and_rows(make):
    pictures, labels, rows = next(iter(make().train_dataloader()))
    assert (pictures.dtype, pictures.shape) == (torch.uint8, (4, 3, 32, 32))
    assert (labels.dtype, rows.dtype) == (torch.int64, torch.int64)


def test_two_instances_serve_the_same(make):
    for epoch in (0, 3):
        assert same(epoch_of(make().train_dataloader(), epoch), epoch_of(make().train_dataloader(), epoch))


# Python 3.12 warns where torch forks its workers from a process with threads.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_loader_processes_change_nothing(make):
    alone, helped = make().train_dataloader(), make(num_workers=2).train_dataloader()
    for epoch in (0, 1, 5):
        assert same(epoch_of(alone, epoch), epoch_of(helped, epoch))


def test_epochs_differ_in_order_and_in_every_picture(make):
    loader = make().train_dataloader()
    first, second = epoch_of(loader, 0), epoch_of(loader, 1)
    assert sorted(rows_of(first)) == sorted(rows_of(second))
    assert rows_of(first) != rows_of(second)
    one, other = pictures_by_row(first), pictures_by_row(second)
    assert not any(torch.equal(one[row], other[row]) for row in one)


def test_seeds_differ(make):
    one, other = (epoch_of(make(seed=seed).train_dataloader(), 0) for seed in (0, 1))
    assert rows_of(one) != rows_of(other)
    one, other = pictures_by_row(one), pictures_by_row(other)
    assert not any(torch.equal(one[row], other[row]) for row in one)


def test_a_picture_does_not_depend_on_its_batch(make):
    one = pictures_by_row(epoch_of(make().train_dataloader(), 2))
    other = pictures_by_row(epoch_of(make(batch_size=5).train_dataloader(), 2))
    common = one.keys() & other.keys()
    assert len(common) == 15
    assert all(torch.equal(one[row], other[row]) for row in common)


def test_what_was_drawn_before_does_not_matter(make):
    torch.manual_seed(1)
    first = epoch_of(make().train_dataloader(), 0)
    torch.manual_seed(2)
    assert same(first, epoch_of(make().train_dataloader(), 0))


def test_augmenting_leaves_the_global_generator_alone(make):
    batches = iter(make().train_dataloader())
    before = torch.get_rng_state()
    assert len(list(batches)) == 4
    assert torch.equal(torch.get_rng_state(), before)


def test_every_training_picture_once_an_epoch(make):
    data = make(batch_size=4)
    rows = rows_of(epoch_of(data.train_dataloader(), 0))
    assert sorted(rows) == data.paintings.selection.members("train").tolist()


@pytest.mark.parametrize(("batch_size", "served"), [(3, 15), (5, 15), (15, 15), (4, 16), (7, 16), (16, 16), (40, 16)])
def test_only_a_last_batch_of_one_is_left_out(make, batch_size, served):
    loader = make(batch_size=batch_size).train_dataloader()
    assert len(rows_of(epoch_of(loader, 0))) == served
    assert len(loader) == -(-served // batch_size)


def test_whoever_is_left_out_changes_with_the_epoch(make):
    loader = make(batch_size=3).train_dataloader()
    assert len({tuple(sorted(rows_of(epoch_of(loader, epoch)))) for epoch in range(6)}) > 1


def test_labels_and_pixels_belong_to_their_rows(make):
    data = make(augmentation=Augmentation())
    selection = data.paintings.selection
    for pictures, labels, rows in data.train_dataloader():
        for picture, label, row in zip(pictures, labels, rows, strict=True):
            pixels = torch.from_numpy(read_pixels(selection.manifest.paths()[row], 36, "bilinear").copy())
            top, left = (round((side - 32) / 2) for side in pixels.shape[:2])
            assert torch.equal(picture, pixels.permute(2, 0, 1)[:, top : top + 32, left : left + 32])
            assert data.classes[label] == selection.manifest.table["culture"][int(row)]


@pytest.mark.parametrize(("split", "loader"), [("val", "val_dataloader"), ("test", "test_dataloader")])
def test_held_out_pictures_come_once_in_order_and_unchanged(make, split, loader):
    data = make(batch_size=1, eval_batches=1)
    first, again = list(getattr(data, loader)()), list(getattr(data, loader)())
    assert rows_of(first) == data.paintings.selection.members(split).tolist()
    assert same(first, again)


def test_evaluation_batches_are_larger(make):
    assert make(batch_size=4, eval_batches=3).val_dataloader().batch_size == 12


def test_lightning_tells_the_sampler_of_the_epoch(make):
    class Watcher(BoringModel):
        seen: list[list[int]]

        def training_step(self, batch, batch_idx):
            self.seen[-1].extend(batch[2].tolist())
            return self.layer(torch.zeros(1, 32)).sum()

        def on_train_epoch_start(self):
            self.seen.append([])

        def on_train_epoch_end(self):
            pass

    data, model = make(), Watcher()
    model.seen = []
    nothing_else = dict.fromkeys(
        ["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary", "use_distributed_sampler"],
        False,
    )
    trainer = L.Trainer(max_epochs=3, accelerator="cpu", limit_val_batches=0, log_every_n_steps=1, **nothing_else)
    trainer.fit(model, data.train_dataloader())
    expected = [rows_of(epoch_of(data.train_dataloader(), epoch)) for epoch in range(3)]
    assert model.seen == expected


def test_order_is_a_permutation_of_seed_and_epoch():
    order = EpochSampler(50, seed=4)
    order.set_epoch(7)
    assert list(order) == list(order)
    assert sorted(position for _, position in order) == list(range(50))
    assert {epoch for epoch, _ in order} == {7}


def test_derived_seeds_are_distinct_and_fit_torch():
    seeds = {derived_seed(*parts) for parts in [(0,), (0, 1), (1, 0), (0, 0, 1), (0, 1, 1), (2**31, 5)]}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)
    # as numpy's SeedSequence gives it, on every machine: a change would change every training
    assert derived_seed(0, 1, 2) == 1535930435702422785


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_a_started_epoch_continues_after_what_was_seen(make, batches):
    whole, rest = make().train_dataloader(), make()
    rest.load_state_dict({"epoch": 2, "batches": batches, "batch_size": 4})
    loader = rest.train_dataloader()
    assert len(loader) == len(whole)
    assert same(epoch_of(whole, 2)[batches:], list(loader))
    assert same(epoch_of(whole, 3), epoch_of(loader, 3))


def test_within_an_epoch_the_batches_must_be_of_the_same_size(make):
    make().load_state_dict({"epoch": 2, "batches": 0, "batch_size": 8})
    with pytest.raises(InputError, match=r"within an epoch with data\.batch_size=8, so data\.batch_size=4 can't"):
        make().load_state_dict({"epoch": 2, "batches": 1, "batch_size": 8})


@pytest.mark.parametrize("augmentation", [STRONG, MIXED])
@pytest.mark.parametrize(("size", "batch_size"), [(2, 4), (2, 7), (3, 7), (4, 14)])
def test_devices_together_meet_the_batches_of_one(make, size, batch_size, augmentation):
    given = {"batch_size": batch_size, "augmentation": augmentation}
    whole = epoch_of(make(**given).train_dataloader(), 1)
    parts = [epoch_of(make(**given, rank_slice=RankSlice(rank, size)).train_dataloader(), 1) for rank in range(size)]
    together = [[torch.cat(of_ranks) for of_ranks in zip(*batch, strict=True)] for batch in zip(*parts, strict=True)]
    assert same(whole, together)


def test_mixed_images_have_both_labels(make):
    data = make(augmentation=MIXED, batch_size=6)
    pictures, labels, _, partners, share = epoch_of(data.train_dataloader(), 0)[0]
    assert torch.equal(partners, labels.roll(-1))
    assert (share == share[0]).all()
    assert 0.5 <= share[0] < 1
    unmixed = epoch_of(make(augmentation=replace(MIXED, mix=None), batch_size=6).train_dataloader(), 0)[0][0]
    assert not torch.equal(pictures, unmixed)
    assert len(next(iter(data.val_dataloader()))) == 3


def test_images_mixed_on_a_device_are_those_of_the_cpu(make):
    here, there = (make(augmentation=MIXED, rank_slice=RankSlice(0, 2), batch_size=7) for _ in range(2))
    there._resident = ResidentBatches.on(torch.device("cpu"), there.maker(there.augmentation))
    for batch, asked in zip(here.train_dataloader(), there.train_dataloader(), strict=True):
        made = there.on_before_batch_transfer(asked, 0)
        assert (batch[0].int() - made[0].int()).abs().float().mean() < 3  # resized without antialiasing
        assert all(torch.equal(one, other) for one, other in zip(batch[1:], made[1:], strict=True))


@pytest.mark.parametrize("size", [2, 3, 5])
def test_devices_together_evaluate_every_painting_once(make, size):
    data = [make(batch_size=2, eval_batches=1, rank_slice=RankSlice(rank, size)) for rank in range(size)]
    for split in ("val", "test"):
        rows = [row for one in data for row in rows_of(one.eval_dataloader(split))]
        assert sorted(rows) == data[0].paintings.selection.members(split).tolist()
        assert len({len(one.eval_dataloader(split)) for one in data}) == 1


@pytest.mark.parametrize("batch_size", [3, 4, 7, 16, 40])
def test_the_size_of_every_batch_is_known_beforehand(make, batch_size):
    data = make(batch_size=batch_size)
    lengths = [len(labels) for _, labels, _ in data.train_dataloader()]
    assert [data.images_in_batch(batch) for batch in range(len(lengths))] == lengths
