import os
import pickle
import time
import zipfile
from types import SimpleNamespace

import pytest
import torch

from artculture.models.classifier import CHECKPOINT_FORMAT
from artculture.training import checkpoint_io
from artculture.training.checkpoint_io import WholeCheckpointIO
from artculture.training.checkpointing import (
    VALIDATION_PATIENCE_SECONDS,
    LastCheckpoint,
    whole_checkpoint,
)
from artculture.training.run_directory import RunDirectory
from artculture.training.signals import SignalListener
from artculture.utils.errors import InputError

BATCHES = 8


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(time, "monotonic", found)
    return found


@pytest.fixture
def last(tmp_path, clock) -> LastCheckpoint:
    callback = LastCheckpoint(RunDirectory(tmp_path), None, 60.0, 2, SignalListener(), None)
    callback.saved = []
    callback._save = lambda trainer: callback.saved.append(trainer.fit_loop.batch_idx)
    return callback


def epoch(last: LastCheckpoint, clock: Clock, *, step: float, validation_batches: int, first: int = 0) -> list[int]:
    """The batches after which an epoch was saved before its end."""
    last.saved.clear()
    for batch in range(first, BATCHES):
        clock.now += step
        loop = SimpleNamespace(batch_idx=batch)
        trainer = SimpleNamespace(
            fit_loop=loop,
            num_training_batches=BATCHES,
            num_val_batches=[validation_batches],
            global_step=batch,
            strategy=SimpleNamespace(root_device=torch.device("cpu"), checkpoint_io=None),
        )
        last.on_train_batch_end(trainer, None)
    return list(last.saved)


# A batch of validation has twice the pictures.
BOUND = VALIDATION_PATIENCE_SECONDS / 2


@pytest.mark.parametrize(("step", "batches", "saves"), [(1.0, BOUND - 1, []), (1.0, BOUND + 1, [6]), (0.1, BOUND, [])])
def test_a_first_validation_that_may_be_long_has_a_checkpoint_before_it(last, clock, step, batches, saves):
    trainer = SimpleNamespace(global_step=0)
    last.on_train_start(trainer, None)
    last.on_train_epoch_start(trainer, None)
    assert epoch(last, clock, step=step, validation_batches=int(batches)) == saves


@pytest.mark.parametrize(("seconds", "saves"), [(VALIDATION_PATIENCE_SECONDS + 1, [6]), (1.0, [])])
def test_later_ones_are_taken_to_last_as_long_as_the_one_before(last, clock, seconds, saves):
    last.on_train_start(SimpleNamespace(global_step=0), None)
    last.on_validation_start(None, None)
    clock.now += seconds
    last.on_validation_end(None, None)
    last.on_train_epoch_start(None, None)
    assert epoch(last, clock, step=1.0, validation_batches=5) == saves


def test_an_epoch_that_is_gone_on_with_is_judged_by_its_own_steps(last, clock):
    clock.now += 1000.0  # data, weights, checkpoint
    last.on_train_start(SimpleNamespace(global_step=5), None)
    assert epoch(last, clock, step=1.0, validation_batches=4, first=5) == []


@pytest.fixture
def directory(tmp_path) -> RunDirectory:
    """A run's directory with two whole checkpoints, as far as their form goes."""
    found = RunDirectory(tmp_path)
    found.last.parent.mkdir()
    for number, path in enumerate((found.previous, found.last)):
        said = {"artculture": {"format": CHECKPOINT_FORMAT}, "hyper_parameters": {}, "number": number}
        torch.save({**said, "state_dict": {"a": torch.ones(50)}}, path)
    return found


class Attack:
    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return os.mkdir, (str(self.proof),)


PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("kind", [*PROTOCOLS, "plain pickle", "text"])
def test_a_file_that_was_never_a_checkpoint_is_refused_not_replaced(directory, tmp_path, kind):
    plain = {"plain pickle": pickle.dumps({"state_dict": {}}), "text": b"<html>"}
    content = plain[kind] if kind in plain else pickle.dumps(Attack(tmp_path / "ran"), kind)
    directory.last.write_bytes(content)
    with pytest.raises(InputError, match=r"last\.ckpt"):
        whole_checkpoint(directory, directory.last)
    assert directory.last.read_bytes() == content
    assert not (tmp_path / "ran").exists()


def test_an_archive_of_something_else_or_of_the_older_form_is_refused(directory):
    for save in (
        lambda path: torch.save({"a": torch.ones(2)}, path),
        lambda path: torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=False),
        lambda path: zipfile.ZipFile(path, "w").writestr("a.txt", "a"),
    ):
        save(directory.last)
        with pytest.raises(InputError, match=r"last\.ckpt"):
            whole_checkpoint(directory, directory.last)
        assert directory.last.is_file()


def test_a_damaged_one_gives_way_to_the_one_before(directory):
    os.truncate(directory.last, directory.last.stat().st_size // 2)
    path, content = whole_checkpoint(directory, directory.last)
    assert (path, content["number"]) == (directory.previous, 0)
    assert directory.last.with_suffix(".damaged").is_file()


def test_a_best_checkpoint_that_was_not_written_ends_the_run_within_the_next_epoch(last, clock, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device", "best.ckpt")

    monkeypatch.setattr(checkpoint_io, "BACKGROUND_BYTES", 0)
    monkeypatch.setattr(checkpoint_io, "available_memory", lambda: 1 << 30)
    monkeypatch.setattr(checkpoint_io, "save_whole", fail)
    io = WholeCheckpointIO()
    io.save_checkpoint({}, tmp_path / "best.ckpt")
    last.every_steps = 1
    loop, strategy = SimpleNamespace(batch_idx=1), SimpleNamespace(checkpoint_io=io, barrier=lambda: None)
    trainer = SimpleNamespace(fit_loop=loop, num_training_batches=BATCHES, global_step=2, strategy=strategy)
    with pytest.raises(OSError, match="No space left"):
        last.on_train_batch_end(trainer, None)
    assert last.saved == []
