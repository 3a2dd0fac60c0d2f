import threading
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from artculture.training import checkpoint_io
from artculture.training.checkpoint_io import WholeCheckpointIO
from artculture.utils.errors import Interrupted


def test_a_large_checkpoint_is_a_copy_that_is_written_while_training_continues(tmp_path, monkeypatch):
    may_write, write = threading.Event(), checkpoint_io.save_whole

    def save(*given):
        assert may_write.wait(10)
        write(*given)

    monkeypatch.setattr(checkpoint_io, "save_whole", save)
    monkeypatch.setattr(checkpoint_io, "BACKGROUND_BYTES", 8)
    monkeypatch.setattr(checkpoint_io, "available_memory", lambda: 1 << 30)
    weights, io, last = torch.ones(4), WholeCheckpointIO(), tmp_path / "last.ckpt"
    io.save_checkpoint({"state_dict": OrderedDict(w=weights, same=weights)}, last)
    weights.zero_()
    assert not last.exists()
    io.teardown()
    assert not last.exists()
    may_write.set()
    io.finish()
    state = torch.load(last)["state_dict"]
    assert state["w"].tolist() == [1.0] * 4
    assert state["w"].data_ptr() == state["same"].data_ptr()


@pytest.mark.parametrize(
    ("background", "least", "memory"), [(False, 8, 1 << 30), (True, 1 << 20, 1 << 30), (True, 8, 20), (True, 8, None)]
)
def test_a_checkpoint_is_whole_at_once_where_it_is_small_memory_is_short_or_others_read_it(
    tmp_path, monkeypatch, background, least, memory
):
    monkeypatch.setattr(checkpoint_io, "BACKGROUND_BYTES", least)
    monkeypatch.setattr(checkpoint_io, "available_memory", lambda: memory)
    io = WholeCheckpointIO(background=background)
    io.save_checkpoint({"w": [torch.ones(4)]}, tmp_path / "last.ckpt")
    assert torch.load(tmp_path / "last.ckpt")["w"][0].tolist() == [1.0] * 4


def test_what_went_wrong_in_the_background_is_raised_by_the_next_save_or_at_the_end(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device", "last.ckpt")

    monkeypatch.setattr(checkpoint_io, "BACKGROUND_BYTES", 0)
    monkeypatch.setattr(checkpoint_io, "available_memory", lambda: 1 << 30)
    monkeypatch.setattr(checkpoint_io, "save_whole", fail)
    io = WholeCheckpointIO()
    for end in (lambda: io.save_checkpoint({}, tmp_path / "last.ckpt"), io.finish):
        io.save_checkpoint({}, tmp_path / "last.ckpt")
        with pytest.raises(OSError, match="No space left"):
            end()
    io.finish()


def test_a_checkpoint_on_its_way_is_read_and_removed_when_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_io, "BACKGROUND_BYTES", 0)
    monkeypatch.setattr(checkpoint_io, "available_memory", lambda: 1 << 30)
    write = checkpoint_io.save_whole
    monkeypatch.setattr(checkpoint_io, "save_whole", lambda *given: (threading.Event().wait(0.1), write(*given)))
    io, path = WholeCheckpointIO(), tmp_path / "epoch=1.ckpt"
    io.save_checkpoint({"a": 1}, path)
    assert io.load_checkpoint(path) == {"a": 1}
    io.save_checkpoint({"a": 2}, path)
    io.remove_checkpoint(path)
    assert not path.exists()


def test_files_are_whole_when_a_signal_ends_the_wait_for_them(tmp_path, monkeypatch):
    write = checkpoint_io.save_whole
    monkeypatch.setattr(checkpoint_io, "BACKGROUND_BYTES", 0)
    monkeypatch.setattr(checkpoint_io, "available_memory", lambda: 1 << 30)
    monkeypatch.setattr(checkpoint_io, "save_whole", lambda *given: (threading.Event().wait(0.2), write(*given)))

    def stop(_):
        raise Interrupted("SIGTERM")

    monkeypatch.setattr(checkpoint_io, "wait", stop)
    io = WholeCheckpointIO()
    io.save_checkpoint({"a": 1}, tmp_path / "last.ckpt")
    with pytest.raises(Interrupted):
        io.finish()
    assert torch.load(tmp_path / "last.ckpt") == {"a": 1}


def test_a_signal_hides_no_error_of_the_writing(tmp_path, monkeypatch):
    def stop(*_):
        raise Interrupted("SIGTERM")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_io, "BACKGROUND_BYTES", 0)
    monkeypatch.setattr(checkpoint_io, "available_memory", lambda: 1 << 30)
    monkeypatch.setattr(checkpoint_io, "save_whole", fail)
    monkeypatch.setattr(checkpoint_io, "wait", stop)
    io = WholeCheckpointIO()
    io.save_checkpoint({"a": 1}, tmp_path / "last.ckpt")
    with pytest.raises(OSError, match="No space left"):
        io.finish()


def test_the_content_that_is_needed_after_the_training_stays_in_memory_if_it_was_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_io, "BACKGROUND_BYTES", 8)
    monkeypatch.setattr(checkpoint_io, "available_memory", lambda: 1 << 30)
    monkeypatch.chdir(tmp_path)
    best, weights = tmp_path / "best.ckpt", torch.ones(4)
    io = WholeCheckpointIO(needed=Path("best.ckpt"))
    assert io.content is None
    io.save_checkpoint({"w": weights}, best)
    io.save_checkpoint({"w": weights + 1}, tmp_path / "last.ckpt")
    weights.zero_()
    assert io.content["w"].tolist() == [1.0] * 4
    io.finish()
    assert torch.equal(torch.load(best)["w"], io.content["w"])
    # A newer one that is not copied is read from its file.
    monkeypatch.setattr(checkpoint_io, "available_memory", lambda: None)
    io.save_checkpoint({"w": weights}, best)
    assert io.content is None
