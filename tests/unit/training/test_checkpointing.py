import os
import pickle
import threading
import time
import zipfile
from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch

from artculture.models.classifier import CHECKPOINT_FORMAT
from artculture.training import checkpointing
from artculture.training.checkpointing import (
    VALIDATION_PATIENCE_SECONDS,
    LastCheckpoint,
    WholeCheckpointIO,
    whole_checkpoint,
)
from artculture.training.run_directory import RunDirectory
from artculture.training.signals import SignalListener
from artculture.utils.errors import InputError

BATCHES = 8


class Clock:
    """Seconds that pass when they are told to."""

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


def test_a_large_checkpoint_is_a_copy_that_is_written_while_training_continues(tmp_path, monkeypatch):
    may_write, write = threading.Event(), checkpointing.save_whole

    def save(*given):
        assert may_write.wait(10)
        write(*given)

    monkeypatch.setattr(checkpointing, "save_whole", save)
    monkeypatch.setattr(checkpointing, "BACKGROUND_BYTES", 8)
    monkeypatch.setattr(checkpointing, "available_memory", lambda: 1 << 30)
    weights, io, last = torch.ones(4), WholeCheckpointIO(), tmp_path / "last.ckpt"
    io.save_checkpoint({"state_dict": OrderedDict(w=weights, same=weights)}, last)
    weights.zero_()
    assert not last.exists()
    may_write.set()
    io.teardown()
    state = torch.load(last)["state_dict"]
    assert state["w"].tolist() == [1.0] * 4
    assert state["w"].data_ptr() == state["same"].data_ptr()


@pytest.mark.parametrize(
    ("background", "least", "memory"), [(False, 8, 1 << 30), (True, 1 << 20, 1 << 30), (True, 8, 20), (True, 8, None)]
)
def test_a_checkpoint_is_whole_at_once_where_it_is_small_memory_is_short_or_others_read_it(
    tmp_path, monkeypatch, background, least, memory
):
    monkeypatch.setattr(checkpointing, "BACKGROUND_BYTES", least)
    monkeypatch.setattr(checkpointing, "available_memory", lambda: memory)
    io = WholeCheckpointIO(background=background)
    io.save_checkpoint({"w": [torch.ones(4)]}, tmp_path / "last.ckpt")
    assert torch.load(tmp_path / "last.ckpt")["w"][0].tolist() == [1.0] * 4


def test_what_went_wrong_in_the_background_is_raised_by_the_next_save_or_at_the_end(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device", "last.ckpt")

    monkeypatch.setattr(checkpointing, "BACKGROUND_BYTES", 0)
    monkeypatch.setattr(checkpointing, "available_memory", lambda: 1 << 30)
    monkeypatch.setattr(checkpointing, "save_whole", fail)
    io = WholeCheckpointIO()
    for end in (lambda: io.save_checkpoint({}, tmp_path / "last.ckpt"), io.finish, io.teardown):
        io.save_checkpoint({}, tmp_path / "last.ckpt")
        with pytest.raises(OSError, match="No space left"):
            end()
    io.teardown()
