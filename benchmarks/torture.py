"""Kill, starve and crowd small studies, feed them garbage, and see whether the same numbers come out.

Run it with `make torture`; the short form is a test. The table goes to benchmarks/results/torture.md.
"""

import argparse
import itertools
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "benchmarks"), str(REPOSITORY)]

import torture_lightning  # noqa: E402
from tests.unit.training.same_run import assert_same_run  # noqa: E402
from torture_crowds import crowd, killed_studies  # noqa: E402
from torture_garbage import bad_files, bad_images  # noqa: E402
from torture_launches import random_kill, run_killed  # noqa: E402

from artculture import cli  # noqa: E402
from artculture.utils.io import read_json, write_text  # noqa: E402

SMALL = (
    "data=sample",
    "data.per_culture=6",
    "data.split=random",
    "data.image_size=32",
    "data.batch_size=8",
    "trainer=cpu",
    "trainer.max_epochs=4",
    "trainer.checkpoint_every_steps=2",
    "architecture=timm",
    "architecture.weights=none",
    "head.dropout=0.3",
    "augment=strong",
)
ROWS = {
    "step": ("architecture.name=test_resnet", "scheduler=step", "scheduler.k=1", "logger=csv"),
    "plateau": ("architecture.name=test_efficientnet", "scheduler=plateau", "scheduler.k=1", "logger=csv"),
    "cosine": ("architecture.name=test_resnet", "method=transfer", "scheduler=cosine", "logger=csv"),
    "early stop": ("architecture.name=test_resnet", "trainer.early_stopping=1", "seed=3", "logger=csv"),
}
PARTS = ["kills", "lightning", "studies", "crowds", "garbage", "faults"]
KILLS_A_CHAIN = 5
STEPS = 28
FAULTS = tuple(f"tests/unit/training/test_{name}.py" for name in ("error_mapping", "run_lock"))


@dataclass
class Tally:
    """Lines of the table: what was tried, how often, and how often it came out right."""

    tried: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def count(self, what: str, well: bool, note: str = "") -> None:
        self.tried[what] += 1
        self.right[what] += well
        if note and not well:
            self.notes.append(f"{what}: {note}")

    @property
    def lost(self) -> int:
        return sum((self.tried - self.right).values())


def kill_rows(work: Path, kills: int, dice: random.Random, tally: Tally) -> None:
    """Chains of kills over single rows: every chain must end as the undisturbed run did."""
    landed, rows = 0, list(ROWS.items())
    for chain in itertools.count():
        if landed >= kills:
            return
        name, overrides = rows[chain % len(rows)]
        argv = [*SMALL, *overrides, f"study.root={work}"]
        seconds, whole = _undisturbed(argv, work, name)
        study = f"killed-{chain}"

        def launch(argv: list[str] = argv, study: str = study) -> int:
            return cli.main(["train", *argv, f"study.name={study}"])

        drawn = [random_kill(dice, STEPS) for _ in range(KILLS_A_CHAIN)]
        # A kill that comes after the end of its launch was none.
        spots = [kill.spot for kill in drawn if run_killed(launch, kill, seconds, work / f"{study}.log") == -9]
        code = run_killed(launch, None, seconds, work / f"{study}.log")
        note = _difference(whole, work / study) if code == 0 else f"exit code {code}"
        for spot in spots:
            tally.count(f"SIGKILL {spot}", not note)
        tally.count("rows killed several times that end bit-identical", not note, f"{name}, {study}: {note}")
        landed += len(spots)


def _undisturbed(argv: list[str], work: Path, name: str) -> tuple[float, Path]:
    study = f"whole-{name.replace(' ', '-')}"
    began = time.monotonic()
    if not (work / study).exists():
        code = run_killed(lambda: cli.main(["train", *argv, f"study.name={study}"]), None, 0, work / f"{study}.log")
        if code:
            raise SystemExit((work / f"{study}.log").read_text())
        write_text(work / f"{study}.seconds", str(time.monotonic() - began))
    return float((work / f"{study}.seconds").read_text()), work / study


def _difference(whole: Path, study: Path) -> str:
    one, other = (next(path.glob("*/config.yaml")).parent for path in (whole, study))
    try:
        assert_same_run(one, other)
        assert read_json(other / "status.json")["state"] == "finished"
        left, right = (read_json(run / "result.json") for run in (one, other))
        assert [left[key] for key in ("epochs", "best_score")] == [right[key] for key in ("epochs", "best_score")]
        assert not list(other.rglob("*.tmp")), "half-written files are left"
    except AssertionError as error:
        return str(error).splitlines()[0] if str(error) else "differs"
    return ""


def kill_lightning(work: Path, kills: int, dice: random.Random, tally: Tally) -> None:
    """The same chains for plain Lightning, killed at random moments."""
    folders = [work / f"lightning-{turn}" for turn in range(-(-kills // KILLS_A_CHAIN))]
    whole = work / "lightning-whole"
    began = time.monotonic()
    run_killed(lambda: torture_lightning.train(whole), None, 0, work / "lightning.log")
    seconds = time.monotonic() - began
    for folder in folders:

        def launch(folder: Path = folder) -> int:
            return torture_lightning.train(folder)

        for _ in range(KILLS_A_CHAIN):
            run_killed(launch, random_kill(dice, STEPS), seconds, work / "lightning.log")
        code = run_killed(launch, None, seconds, work / "lightning.log")
        well = code == 0 and torture_lightning.same(whole, folder)
        tally.count("plain Lightning: killed trainings that end bit-identical", well)
        tally.count("plain Lightning: killed trainings that end at all", code == 0)


def faults(tally: Tally) -> None:
    """The faults of the tests, each a line."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *FAULTS]
        subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, check=False)
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            well = case.find("failure") is None and case.find("error") is None
            what = case.get("name", "").partition("[")[0].removeprefix("test_").replace("_", " ")
            tally.count(f"fault: {what}", well)


def summary(tally: Tally, seconds: float) -> str:
    machine = f"{os.cpu_count()} CPU cores, {platform.machine()}"
    machine += f"; Python {platform.python_version()}, torch {torch.__version__}"
    shared = f"load {os.getloadavg()[2]:.1f} over the last 15 minutes"
    lines = ["# Training under torture", "", f"{pd.Timestamp.now():%Y-%m-%d %H:%M}, {machine}, {shared}."]
    lines += [f"By `make torture`, in {seconds / 60:.0f} minutes. Plain Lightning is there for comparison: its losses"]
    lines += ["are not ours.", "", "| what was tried | tried | survived | lost |", "|---|---|---|---|"]
    for what in sorted(tally.tried):
        tried, right = tally.tried[what], tally.right[what]
        lines.append(f"| {what} | {tried} | {right} | {tried - right} |")
    lines += ["", *(f"- {note}" for note in tally.notes)]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks/results/torture.md")
    arguments = parser.parse_args()
    chosen = arguments.only or PARTS
    dice, tally, compared, began = random.Random(arguments.seed), Tally(), Tally(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        work = Path(folder)
        os.environ["ARTCULTURE_CACHE"] = str(work / "cache")
        if "kills" in chosen:
            kill_rows(work, arguments.kills, dice, tally)
        if "lightning" in chosen:
            kill_lightning(work, arguments.kills, dice, compared)
        if "studies" in chosen:
            killed_studies(work, SMALL, dice, tally)
        if "crowds" in chosen:
            for launches, killed in ((2, 0), (2, 1), (4, 0), (4, 2)):
                crowd(work, SMALL, launches, killed, dice, tally)
        if "garbage" in chosen:
            bad_images(work, tally)
            bad_files(work, arguments.files, dice, tally)
    if "faults" in chosen:
        faults(tally)
    lost = tally.lost
    tally.tried += compared.tried
    tally.right += compared.right
    text = summary(tally, time.monotonic() - began)
    write_text(arguments.out, text)
    sys.stdout.write(text)
    return 1 if lost else 0


if __name__ == "__main__":
    raise SystemExit(main())
