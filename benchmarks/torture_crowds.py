"""Whole studies as users start them: killed and started again, and several at once on the same rows."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from artculture.utils.io import read_json

GRID = ("method=finetuned,transfer", "scheduler=step,plateau", "logger=csv", "architecture.name=test_resnet")
ROWS = 4


def start(work: Path, small: Sequence[str], study: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "artculture", "train", "-m", *small, *GRID, f"study.name={study}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (work / f"{study}.log").open("ab") as log:
        return subprocess.Popen([*command, f"study.root={work}"], stdout=log, stderr=log, env=environment)


def killed_studies(work: Path, small: Sequence[str], dice: random.Random, tally: Any, kills: int = 3) -> None:
    """A study killed at random moments, once asked to stop, and started again until it ends."""
    whole = _undisturbed(work, small)
    for number in range(kills):
        began, last = time.time(), number == kills - 1
        process = start(work, small, "killed-study")
        # Before it has a row in hand it can't know what the kills before have left in the states.
        while last and process.poll() is None and not _in_hand(work / "killed-study", began):
            time.sleep(0.05)
        time.sleep(dice.uniform(0.3, 0.9) * whole / 2)
        process.send_signal(signal.SIGTERM if last else signal.SIGKILL)
        code = process.wait()
        if last:
            states = {state for state, _ in _states(work / "killed-study")}
            tally.count("SIGTERM of a study: code 75, every state right", code in (0, 75) and "running" not in states)
    code = start(work, small, "killed-study").wait()
    tally.count("studies killed and started again: the whole table", code == 0 and _same_table(work, "killed-study"))


def crowd(work: Path, small: Sequence[str], launches: int, killed: int, dice: random.Random, tally: Any) -> None:
    """Several launches of one study at once, some of them killed on the way."""
    whole = _undisturbed(work, small)
    study = f"crowd-{launches}-{killed}"
    processes = [start(work, small, study) for _ in range(launches)]
    for process in processes[:killed]:
        time.sleep(dice.uniform(0.2, 0.6) * whole)
        process.kill()
    codes = [process.wait() for process in processes]
    states = _states(work / study)
    what = f"{launches} launches of one study" + (f", {killed} of them killed" if killed else "")
    well = all(code == 0 for code in codes[killed:]) and _same_table(work, study)
    tally.count(f"{what}: every row finished, all print the whole table", well)
    # A killed launch's row is begun a second time by who takes it over; nothing else is.
    again = sum(times - 1 for _, times in states)
    tally.count(f"{what}: no row run twice", again <= killed)


def _undisturbed(work: Path, small: Sequence[str]) -> float:
    marker = work / "whole-study.seconds"
    if not marker.exists():
        began = time.monotonic()
        if start(work, small, "whole-study").wait():
            raise SystemExit((work / "whole-study.log").read_text())
        marker.write_text(str(time.monotonic() - began))
    return float(marker.read_text())


def _in_hand(study: Path, since: float) -> bool:
    statuses = [read_json(path) for path in study.glob("*/status.json")]
    return any(status["state"] == "running" and status["updated"] >= since for status in statuses)


def _states(study: Path) -> list[tuple[str, int]]:
    found = [read_json(path) for path in study.glob("*/status.json")]
    return [(status["state"], status.get("launches", 1)) for status in found]


def _same_table(work: Path, study: str) -> bool:
    def numbers(name: str) -> dict[str, Any]:
        results = {path.parent.name: read_json(path) for path in (work / name).glob("*/result.json")}
        keys = ("val_top1", "test_top1", "test_top3", "test_macro_f1", "epochs", "best_score")
        return {run: [result[key] for key in keys] for run, result in results.items()}

    return len(numbers(study)) == ROWS and numbers(study) == numbers("whole-study")
