import errno
import multiprocessing
import os
import re
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import torch

from artculture.models.classifier import CultureClassifier
from artculture.training.error_mapping import map_error
from artculture.utils.errors import Interrupted, WorkError
from tests.unit.training.same_run import assert_same_run

AT_EVERY_STEP = "trainer.checkpoint_every_steps=1"


@pytest.fixture
def run_of(tmp_path):
    return lambda study: next(tmp_path.glob(f"outputs/{study}/*/config.yaml")).parent


def position_of(run: Path) -> tuple[int, int]:
    where = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["PaintingsDataModule"]
    return where["epoch"], where["batches"]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        *(pytest.param(number, 75, marks=pytest.mark.slow) for number in (signal.SIGTERM, signal.SIGUSR1)),
        (signal.SIGINT, 130),
    ],
)
def test_a_signal_saves_at_the_steps_end(train, at_step, run_of, read_json, capsys, number, code):
    with at_step(7, lambda: os.kill(os.getpid(), number)):
        assert train("study.name=s") == code
    status = read_json(run_of("s") / "status.json")
    assert (status["state"], status["error"]) == ("interrupted", f"interrupted by {number.name}")
    assert position_of(run_of("s")) == (1, 3)
    assert "run the same command to continue" in capsys.readouterr().err
    assert train("study.name=s") == 0
    assert list(pd.read_csv(run_of("s") / "metrics.csv")["epoch"]) == [0, 1, 2]
    assert "error" not in read_json(run_of("s") / "status.json")


def test_a_signal_at_an_epochs_last_step_lets_it_end(train, at_step, run_of):
    with at_step(4, lambda: os.kill(os.getpid(), signal.SIGTERM)):
        assert train("study.name=s") == 75
    assert position_of(run_of("s")) == (1, 0)
    assert len(pd.read_csv(run_of("s") / "metrics.csv")) == 1


@pytest.mark.parametrize("damage", ["cut", *(pytest.param(name, marks=pytest.mark.slow) for name in ("flip", "empty"))])
def test_a_damaged_last_checkpoint_gives_way_to_the_one_before(train, at_step, run_of, damage, caplog):
    assert train("study.name=whole") == 0
    with at_step(8, lambda: os.kill(os.getpid(), signal.SIGTERM)):
        train("study.name=s", AT_EVERY_STEP)
    last = run_of("s") / "checkpoints/last.ckpt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes({"cut": content[:-1000], "flip": content, "empty": b""}[damage])
    assert train("study.name=s", AT_EVERY_STEP) == 0
    assert "going back to the checkpoint before it" in caplog.text
    assert (run_of("s") / "checkpoints/last.damaged").is_file()
    assert_same_run(run_of("whole"), run_of("s"))


def test_without_a_whole_checkpoint_it_starts_from_nothing(train, at_step, run_of, caplog):
    with at_step(8, lambda: os.kill(os.getpid(), signal.SIGTERM)):
        train("study.name=s")
    for checkpoint in (run_of("s") / "checkpoints").glob("*.ckpt"):
        checkpoint.write_bytes(b"PK\x03\x04 garbage")
    assert train("study.name=s") == 0
    assert "starting from where the run began" in caplog.text
    assert list(pd.read_csv(run_of("s") / "metrics.csv")["epoch"]) == [0, 1, 2]


def test_a_diverging_run_stops_and_keeps_the_last_good_checkpoint(train, run_of, read_json, capsys):
    assert train("study.name=s", "method.head_lr=1e8", AT_EVERY_STEP) == 1
    message = capsys.readouterr().err
    for part in ("diverged", "step", "epoch 1", "learning rates: head 1e+08", "trainer.gradient_clip"):
        assert part in message
    assert read_json(run_of("s") / "status.json")["state"] == "failed"
    for checkpoint in (run_of("s") / "checkpoints").glob("*.ckpt"):
        state = torch.load(checkpoint, weights_only=True)["state_dict"]
        assert all(bool(value.isfinite().all()) for value in state.values() if value.is_floating_point())


def test_a_batch_that_does_not_fit_is_halved(train, run_of, read_json, monkeypatch, caplog):
    real = CultureClassifier.forward

    def forward(self, pictures):
        if len(pictures) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, pictures)

    monkeypatch.setattr(CultureClassifier, "forward", forward)
    assert train("study.name=s") == 0
    assert "OUT OF MEMORY with 8 training pictures" in caplog.text
    assert read_json(run_of("s") / "result.json")["pictures_at_once"] == 4


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_an_error_by_choice(train, run_of, read_json, monkeypatch):
    def forward(self, pictures):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(CultureClassifier, "forward", forward)
    assert train("study.name=refused", "trainer.on_out_of_memory=error") == 1
    assert "take a smaller data.batch_size" in read_json(run_of("refused") / "status.json")["error"]


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
def test_a_full_disk_costs_what_came_after_the_last_checkpoint(train, at_step, run_of, read_json, caplog):
    assert train("study.name=whole") == 0
    with at_step(6, lambda: os.kill(os.getpid(), signal.SIGTERM)):
        train("study.name=s")
    with no_file_longer_than(50_000):
        assert train("study.name=s", AT_EVERY_STEP) == 1
    assert "no checkpoint could be written" in caplog.text
    status = read_json(run_of("s") / "status.json")
    assert status["state"] == "failed"
    assert re.match(r"File too large at .*outputs/s/.*\.ckpt: raise the limit", status["error"])
    assert position_of(run_of("s")) == (1, 2)
    assert not list(run_of("s").rglob("*.tmp"))
    assert train("study.name=s") == 0
    assert_same_run(run_of("whole"), run_of("s"))


# Python 3.12 warns where torch forks its workers from a process with threads.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_killed_loader_process_is_reported_and_replaced(train, at_step, run_of, read_json):
    def kill_one():
        multiprocessing.active_children()[0].kill()

    assert train("study.name=whole") == 0
    with at_step(6, kill_one):
        assert train("study.name=s", "data.num_workers=2") == 1
    assert "data-loading process" in read_json(run_of("s") / "status.json")["error"]
    assert train("study.name=s", "data.num_workers=2") == 0
    assert_same_run(run_of("whole"), run_of("s"))


WORKER_DIED = RuntimeError("DataLoader worker (pid 123) is killed by signal: Terminated. ")


@pytest.mark.parametrize(
    ("error", "asked", "kind", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x.ckpt"), None, WorkError, "x.ckpt: free disk space"),
        (OSError(errno.EROFS, "Read-only file system"), None, WorkError, "study.root="),
        (WORKER_DIED, None, WorkError, r"\(123\) was killed"),
        (WORKER_DIED, "SIGTERM", Interrupted, "SIGTERM"),
        (ValueError("as it is"), None, ValueError, "as it is"),
    ],
)
def test_faults_are_reported_with_their_fix(error, asked, kind, says):
    mapped = map_error(error, asked)
    assert isinstance(mapped, kind)
    with pytest.raises(kind, match=says):
        raise mapped
