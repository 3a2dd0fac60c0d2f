"""The six rows of Table 2, whole commands: start, input, training, validation, checkpoints, test."""

import csv
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.speed import classic, ours, watch
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line, compared, limited
from benchmarks.speed.timing import interleaved
from benchmarks.speed.training import asked

FASTER = 3.0
# Of a GPU: the training split of the Met's 6,663 paintings, as long as the paper trained.
WHOLE_PICTURES, WHOLE_EPOCHS, WHOLE_SECONDS = 5330, 30, 600.0
# A row's name to the seconds of its epochs.
Rows = dict[str, float]

HELD_OUT = 8  # training pictures to one of validation, and one of test


def measure(plan: Plan, folder: Path) -> list[Line]:
    gallery = make_gallery(folder / "gallery", plan.grid_pictures, max(11, plan.grid_pictures // HELD_OUT), plan.source)
    memory: dict[str, list[float]] = {}
    rows: dict[str, list[Rows]] = {}

    def side(name: str, command: Callable[[], watch.Ended], parse: Callable[[str], Rows]) -> float:
        ended = command()
        memory.setdefault(name, []).append(ended.megabytes or 0.0)
        rows.setdefault(name, []).append(parse(ended.output))
        return ended.seconds

    plain, precise = asked(classic.NAME, "fp32"), asked(classic.NAME, "our precision")
    # Each of our sides by what is typed more for it.
    typed = [f"launcher.parallel={rows}" if rows > 1 else "" for rows in plan.grid_parallel]
    mine = {f"{ours.NAME} {more}".strip(): more for more in typed}
    peers: dict[str, list[str]] = {} if plan.peers == "none" else {plain: []}
    if plan.precise:
        peers[precise] = ["--ours"]
    sides: dict[str, Callable[[], float]] = {}
    for name, more in mine.items():
        sides[name] = partial(side, name, partial(_ours, plan, gallery, folder, more), lambda _: _our_rows(folder))
    for name, flags in peers.items():
        sides[name] = partial(side, name, partial(_theirs, plan, gallery, *flags), _their_rows)
    found = interleaved("grid", sides, plan.repeats, cold=True)
    what = f"the six-row grid from a cold start, {plan.grid_pictures} training pictures at {plan.grid_size} px, "
    what += f"{plan.grid_epochs} epochs a row"
    lines = []
    for own, more in mine.items():
        if not peers:
            whole = plan.on_gpu and plan.grid_pictures >= WHOLE_PICTURES and plan.grid_epochs >= WHOLE_EPOCHS
            lines.append(limited(_label(what, more), "s", found[own], WHOLE_SECONDS if whole else None))
        for name in peers:
            target = FASTER if name == plain else None
            how = _label(what, more)
            lines.append(compared(how, "s", found[own], name, found[name], faster_is_less=True, target=target))
    for name in peers:
        for row in rows[name][0]:
            our, their = ([turn[row] for turn in rows[side_name]] for side_name in (next(iter(mine)), name))
            lines.append(compared(f"– its row {row}, epochs alone", "s", our, name, their, faster_is_less=True))
    for own, more in mine.items():
        for name in peers:
            if all(memory[own]) and all(memory[name]):
                how = _label("peak memory of the grid, all processes", more)
                lines.append(compared(how, "MB", memory[own], name, memory[name], faster_is_less=True))
    return lines


def _label(what: str, more: str) -> str:
    return f"{what}; {more}" if more else what


def _ours(plan: Plan, gallery: Path, folder: Path, more: str) -> watch.Ended:
    for left in ("cache", "outputs"):
        shutil.rmtree(folder / left, ignore_errors=True)
    typed = ["study=table2", f"study.root={folder / 'outputs'}", "data=folder", f"data.root={gallery}"]
    typed += ["data.split=stored", f"data.cache={folder / 'cache'}", f"data.image_size={plan.grid_size}"]
    typed += [f"data.batch_size={plan.batch_size}", f"trainer.max_epochs={plan.grid_epochs}"]
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


def _theirs(plan: Plan, gallery: Path, *flags: str) -> watch.Ended:
    sizes = {"image-size": plan.grid_size, "batch-size": plan.batch_size, "grid-epochs": plan.grid_epochs}
    sizes["workers"] = plan.workers
    given = [text for name, value in sizes.items() for text in (f"--{name}", str(value))]
    given += ["--device", plan.device.type]
    return watch.run(["benchmarks.speed.classic_grid", str(gallery), *given, *flags])


def _their_rows(output: str) -> Rows:
    (line,) = [line for line in output.splitlines() if line.startswith("{")]
    rows: Rows = json.loads(line)
    return rows
