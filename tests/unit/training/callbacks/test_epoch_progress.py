import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from artculture.training.callbacks import epoch_progress
from artculture.training.callbacks.epoch_progress import EpochProgress
from artculture.utils.child_process import RUN_OF_STUDY


def trainer(done):
    return SimpleNamespace(
        is_global_zero=True,
        current_epoch=2,
        max_epochs=10,
        num_training_batches=12,
        num_val_batches=[3],
        fit_loop=SimpleNamespace(batch_idx=done - 1),
    )


def test_the_bar_counts_training_and_validation_and_is_gone_before_the_epoch_is_logged(monkeypatch):
    monkeypatch.setattr(epoch_progress, "EVERY", 0.0)
    screen = io.StringIO()
    bar = EpochProgress(Console(file=screen, force_terminal=True, width=80))
    bar.on_train_batch_start(trainer(0), None, None, 0)
    shown = bar._bar
    bar.on_train_batch_end(trainer(5), None, None, None, 4)
    assert shown.tasks[0].completed == 5
    bar.on_validation_batch_end(trainer(12), None, None, None, 1)
    assert (shown.tasks[0].completed, shown.tasks[0].total) == (14, 15)
    bar.on_train_epoch_end(trainer(12), None)
    assert "epoch 3/10" in screen.getvalue()
    assert "14/15" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")  # the line is erased


@pytest.mark.parametrize(("terminal", "of_study", "bars"), [(True, False, 1), (False, False, 0), (True, True, 0)])
def test_only_a_single_run_on_a_terminal_has_one(monkeypatch, terminal, of_study, bars):
    monkeypatch.setattr(epoch_progress, "PlainConsole", lambda **_: Console(force_terminal=terminal))
    monkeypatch.delenv(RUN_OF_STUDY, raising=False)
    if of_study:
        monkeypatch.setenv(RUN_OF_STUDY, "1")
    assert len(epoch_progress.epoch_progress()) == bars
