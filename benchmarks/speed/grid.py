"""The six rows of Table 2, whole commands: start, input, training, validation, checkpoints, test."""

import csv
import itertools
import json
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.speed import classic, ours, watch
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line, compared, limited
from benchmarks.speed.timing import interleaved
from benchmarks.speed.training import asked

# By epochs a row.
FASTER = {"cpu": {3: 3.0, 10: 3.3}, "cuda": {3: 3.0, 10: 4.0, 30: 4.5}}
# Of a GPU: the training split of the Met's 6,663 paintings, as long as the paper trained.
WHOLE_PICTURES, WHOLE_EPOCHS, WHOLE_SECONDS = 5330, 30, 360.0
# A row's name to the seconds of its epochs.
Rows = dict[str, float]

# Of one run after the other: the longest pause.
FIRST, BETWEEN = "from the command to the first run", "between two runs"
LIMITS = {FIRST: 8.0, BETWEEN: 2.0}
VGG = 8.0  # its checkpoints are the largest
HELD_OUT = 8  # training pictures to one of validation, and one of test


def measure(plan: Plan, folder: Path) -> list[Line]:
    gallery = make_gallery(folder / "gallery", plan.grid_pictures, max(11, plan.grid_pictures // HELD_OUT), plan.source)
    memory: dict[str, list[float]] = {}
    rows: dict[str, list[Rows]] = {}
    elsewhere: dict[str, list[Rows]] = {}

    def side(name: str, command: Callable[[], watch.Ended], parse: Callable[[str], Rows]) -> float:
        began = time.time()
        ended = command()
        if name.startswith(ours.NAME):
            elsewhere.setdefault(name, []).append(_outside_epochs(folder, began, time.time()))
        memory.setdefault(name, []).append(ended.megabytes or 0.0)
        rows.setdefault(name, []).append(parse(ended.output))
        return ended.seconds

    # Each of our sides by what is typed more for it.
    typed = [f"launcher.parallel={rows}" if rows else "" for rows in plan.grid_parallel]
    mine = [(epochs, more) for epochs in plan.grid_epochs for more in typed]
    peers: dict[str, list[str]] = {} if plan.peers == "none" else {asked(classic.NAME, "fp32"): []}
    if plan.precise:
        peers[asked(classic.NAME, "our precision")] = ["--ours"]
    sides: dict[str, Callable[[], float]] = {}
    for epochs, more in mine:
        name = _side(ours.NAME, epochs, more)
        sides[name] = partial(
            side, name, partial(_ours, plan, gallery, folder, epochs, more), lambda _: _our_rows(folder)
        )
    for peer, flags in peers.items():
        for epochs in dict.fromkeys(_trained(plan, epochs) for epochs in plan.grid_epochs):
            name = _side(peer, epochs)
            sides[name] = partial(side, name, partial(_theirs, plan, gallery, epochs, *flags), _their_rows)
    found = interleaved("grid", sides, plan.repeats, cold=True)
    lines = []
    for epochs, more in mine:
        own = found[_side(ours.NAME, epochs, more)]
        pictures = f"{plan.grid_pictures} training pictures at {plan.grid_size} px"
        what = _label(f"the six-row grid from a cold start, {pictures}, {epochs} epochs a row", more)
        if not peers:
            whole = plan.on_gpu and plan.grid_pictures >= WHOLE_PICTURES and epochs >= WHOLE_EPOCHS
            lines.append(limited(what, "s", own, WHOLE_SECONDS if whole else None))
        for peer in peers:
            trained = _trained(plan, epochs)
            theirs = _side(peer, trained)
            # Their epochs take the same time each, so more of them need not be trained.
            seconds = [
                whole + (epochs - trained) / trained * sum(turn.values())
                for whole, turn in zip(found[theirs], rows[theirs], strict=True)
            ]
            other = peer if trained == epochs else f"{peer} ({trained} trained, {epochs} computed)"
            as_it_comes = peer == asked(classic.NAME, "fp32") and not more
            target = FASTER[plan.device.type].get(epochs) if as_it_comes else None
            lines.append(compared(what, "s", own, other, seconds, faster_is_less=True, target=target))
    (epochs, more), *_ = mine
    for peer in peers:
        their_turns, our_turns = rows[_side(peer, _trained(plan, epochs))], rows[_side(ours.NAME, epochs, more)]
        share = epochs / _trained(plan, epochs)
        for row in their_turns[0]:
            our, their = [turn[row] for turn in our_turns], [share * turn[row] for turn in their_turns]
            lines.append(compared(f"– its row {row}, epochs alone", "s", our, peer, their, faster_is_less=True))
    for epochs, more in mine:
        turns = elsewhere[_side(ours.NAME, epochs, more)]
        for phase in [phase for phase in turns[0] if all(phase in turn for turn in turns)]:
            how = _label(f"– outside its epochs, {epochs} a row: {phase}", more)
            lines.append(limited(how, "s", [turn[phase] for turn in turns], _limit(phase)))
    for epochs, more in mine:
        for peer in peers:
            own, other = memory[_side(ours.NAME, epochs, more)], memory[_side(peer, _trained(plan, epochs))]
            if all(own) and all(other):
                how = _label(f"peak memory of the grid, all processes, {epochs} epochs", more)
                lines.append(compared(how, "MB", own, peer, other, faster_is_less=True))
    return lines


def _limit(phase: str) -> float | None:
    return VGG if phase.startswith("run vgg") else LIMITS.get(phase)


def _trained(plan: Plan, epochs: int) -> int:
    """Return how many epochs a peer trains a row where ours trains `epochs`."""
    return plan.peer_epochs or epochs


def _side(name: str, epochs: int, more: str = "") -> str:
    return f"{name} {epochs} epochs {more}".strip()


def _label(what: str, more: str) -> str:
    return f"{what}; {more}" if more else what


def _ours(plan: Plan, gallery: Path, folder: Path, epochs: int, more: str) -> watch.Ended:
    for left in ("cache", "outputs"):
        shutil.rmtree(folder / left, ignore_errors=True)
    typed = ["study=table2", f"study.root={folder / 'outputs'}", "data=folder", f"data.root={gallery}"]
    typed += ["data.split=stored", f"data.cache={folder / 'cache'}", f"data.image_size={plan.grid_size}"]
    typed += [f"data.batch_size={plan.batch_size}", f"trainer.max_epochs={epochs}"]
    typed += ["architecture.weights=none", "logger=csv", f"trainer={'gpu' if plan.on_gpu else 'cpu'}"]
    typed += [more] if more else []
    return watch.run(["artculture", "train", *typed])


def _our_rows(folder: Path) -> Rows:
    found = {}
    for file in (folder / "outputs").glob("*/*/result.json"):
        result = json.loads(file.read_text())
        with (file.parent / "metrics.csv").open() as opened:
            seconds = sum(float(row["seconds"]) for row in csv.DictReader(opened))
        found[f"{result['architecture']} {result['scheduler']} {result['method']}"] = seconds
    return found


def _outside_epochs(folder: Path, began: float, ended: float) -> Rows:
    """Return the seconds of a grid that are none of an epoch's, by phase.

    Args:
        folder: of the grid.
        began, ended: when the command did, seconds since 1970.
    """
    runs = []
    for file in (folder / "outputs").glob("*/*/status.json"):
        status = json.loads(file.read_text())
        with (file.parent / "metrics.csv").open() as opened:
            epochs = sum(float(row["seconds"]) for row in csv.DictReader(opened))
        runs.append((status["started"], status["finished"], epochs, file.parent.name))
    runs.sort()
    gaps = [after[0] - before[1] for before, after in itertools.pairwise(runs)]
    found = {FIRST: runs[0][0] - began}
    if gaps and min(gaps) > 0:  # one after the other
        found[BETWEEN] = max(gaps)
    found |= {f"run {name}, from its start to its end": end - start - epochs for start, end, epochs, name in runs}
    return found | {"after the last run": ended - max(end for _, end, _, _ in runs)}


def _theirs(plan: Plan, gallery: Path, epochs: int, *flags: str) -> watch.Ended:
    sizes = {"image-size": plan.grid_size, "batch-size": plan.batch_size, "grid-epochs": epochs}
    sizes["workers"] = plan.workers
    given = [text for name, value in sizes.items() for text in (f"--{name}", str(value))]
    given += ["--device", plan.device.type]
    return watch.run(["benchmarks.speed.classic_grid", str(gallery), *given, *flags])


def _their_rows(output: str) -> Rows:
    (line,) = [line for line in output.splitlines() if line.startswith("{")]
    rows: Rows = json.loads(line)
    return rows
