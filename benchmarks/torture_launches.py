"""Launches that die: forked from a process that has torch loaded, killed by SIGKILL from outside or at a chosen spot.

A fork saves the seconds that every new process needs to load torch; all else of a launch is repeated in it. A spot is
a place in the code where the launch kills itself, always by SIGKILL, so that nothing is cleaned up.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

Launch = Callable[[], int]


@dataclass(frozen=True)
class Kill:
    """How a launch ends.

    Attributes:
        spot: name in SPOTS, or `at a random moment`.
        nth: at which passing of the spot.
        share: for a random moment: of the time that an undisturbed launch takes.
    """

    spot: str
    nth: int = 1
    share: float = 0.0


MOMENT = "at a random moment"


def run_killed(launch: Launch, kill: Kill | None, seconds: float, log: Path) -> int:
    """Run a launch in a fork.

    Args:
        launch: returns its exit code.
        kill: how it is to die; None to let it end.
        seconds: that an undisturbed launch takes.
        log: gets what it says.

    Returns:
        Its exit code; -9 where it was killed.
    """
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _become(launch, kill, log)
    if kill is not None and kill.spot == MOMENT:
        time.sleep(kill.share * seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _become(launch: Launch, kill: Kill | None, log: Path) -> None:
    code = 70
    try:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        torch.set_num_threads(1)
        if kill is not None and kill.spot in SPOTS:
            SPOTS[kill.spot](kill.nth)
        code = launch()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        os._exit(code)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at(owner: Any, name: str, nth: int, *, after: bool = False, only: Callable[..., bool] | None = None) -> None:
    """Make the nth call of a function deadly."""
    real, calls = getattr(owner, name), 0

    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        if only is None or only(*args, **kwargs):
            calls += 1
            if calls == nth and not after:
                _die()
        result = real(*args, **kwargs)
        if calls == nth and after:
            _die()
        return result

    setattr(owner, name, deadly)


def _half_a_checkpoint(nth: int) -> None:
    real, calls = torch.save, 0

    def save(content: Any, file: Any, *args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        real(content, file, *args, **kwargs)
        if calls == nth:
            file.flush()
            file.file.truncate(file.file.tell() // 2)
            _die()

    torch.save = save


def _is_checkpoint(_: Path, target: Path) -> bool:
    return Path(target).suffix == ".ckpt"


def _into_previous(_: Path, target: Path) -> bool:
    return Path(target).name == "previous.ckpt"


def _classifier() -> Any:
    from artculture.models.classifier import CultureClassifier

    return CultureClassifier


def _callback(name: str) -> Any:
    from artculture.training import checkpointing
    from artculture.training.callbacks import recorder

    return getattr(recorder, name, None) or getattr(checkpointing, name)


SPOTS: dict[str, Callable[[int], None]] = {
    "within a step": lambda nth: _at(_classifier(), "optimizer_step", nth),
    "between two steps": lambda nth: _at(_classifier(), "on_train_batch_start", nth),
    "in validation": lambda nth: _at(_classifier(), "validation_step", 1 + nth // 6),
    "with half a checkpoint written": lambda nth: _half_a_checkpoint(nth),
    "before a checkpoint takes its place": lambda nth: _at(Path, "replace", nth, only=_is_checkpoint),
    "between the two renames of a checkpoint": lambda nth: _at(
        Path, "replace", 1 + nth // 2, after=True, only=_into_previous
    ),
    "after metrics.csv, before the checkpoint": lambda nth: _at(
        _callback("LastCheckpoint"), "on_train_epoch_end", 1 + nth // 6
    ),
    "after the checkpoint of an epoch": lambda nth: _at(
        _callback("LastCheckpoint"), "on_train_epoch_end", 1 + nth // 6, after=True
    ),
    "in the final prediction": lambda _: _at(_classifier(), "predict_step", 1),
}


def random_kill(dice: random.Random, steps: int) -> Kill:
    """Half of the kills at a random moment, half at a random passing of a random spot."""
    if dice.random() < 0.5:
        return Kill(MOMENT, share=dice.uniform(0.02, 1.0))
    return Kill(dice.choice(sorted(SPOTS)), nth=dice.randint(1, steps))
