"""Memory and time as the number of pictures grows: small JPEGs, each with a path of its own."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.speed import ours, watch
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line, limited
from benchmarks.speed.timing import Spread, interleaved

MEGABYTES = 1500.0
# Small, so that a cache of all of them is built in a minute or two.
SHORTER_SIDE, IMAGE_SIZE = 48, 32
# A time is called linear while ten times the pictures take no more than this many times as long, a picture.
LINEAR = 1.1
BUILD, READ = "manifest read, cache built, one epoch", "manifest read, cache opened, one epoch"

Found = dict[str, float]


def measure(plan: Plan, folder: Path) -> list[Line]:
    found: dict[str, list[Found]] = {}

    def load(what: str, count: int) -> float:
        root = folder / str(count)
        if not root.exists():
            make_gallery(root / "gallery", count, shorter_side=SHORTER_SIDE)
        if what == BUILD:
            shutil.rmtree(root / "cache", ignore_errors=True)
        typed = ours.overrides(plan, root / "gallery", root / "cache", "data.num_workers=0")
        typed = [*(text for text in typed if "image_size" not in text), f"data.image_size={IMAGE_SIZE}"]
        output = watch.run(["benchmarks.speed.loading", *typed]).output
        measured: Found = json.loads(output.splitlines()[-1])
        assert measured["pictures"] == count
        found.setdefault(_key(what, count), []).append(measured)
        return measured["open"] + measured["epoch"]

    sides: dict[str, Callable[[], float]] = {
        _key(what, count): partial(load, what, count) for count in plan.many for what in (BUILD, READ)
    }
    interleaved("memory", sides, plan.repeats)
    lines = []
    for key in sides:
        turns = found[key][1:]
        cache, start = turns[0]["cache"], Spread.of([turn["peak at the start"] for turn in turns]).median
        what = f"peak resident memory: {key} (cache {cache:.0f} MB; {start:.0f} MB are imports)"
        lines.append(limited(what, "MB", [turn["peak"] for turn in turns], MEGABYTES))
    few, many = plan.many[0], plan.many[-1]
    for what in (BUILD, READ):
        for phase in ("open", "epoch"):
            lines.append(_growth(what, phase, found[_key(what, few)][1:], few, found[_key(what, many)][1:], many))
    return lines


def _key(what: str, count: int) -> str:
    return f"{what}, {count:,} pictures"


def _growth(what: str, phase: str, small: list[Found], few: int, large: list[Found], many: int) -> Line:
    """Time a picture at many pictures through the time a picture at few."""
    name = what.rpartition(", ")[0] if phase == "open" else f"one epoch loaded ({what.split(', ')[1]})"
    slow, quick = [turn[phase] / many * 1e6 for turn in large], [turn[phase] / few * 1e6 for turn in small]
    ratio = Spread.of([at_many / at_few for at_many, at_few in zip(slow, quick, strict=True)])
    return Line(
        f"time a picture: {name}",
        f"{Spread.of(slow)} µs of {many:,}",
        "itself",
        f"{Spread.of(quick)} µs of {few:,}",
        f"{ratio}×",
        f"≤ {LINEAR:g}×",
        ratio.median <= LINEAR,
    )
