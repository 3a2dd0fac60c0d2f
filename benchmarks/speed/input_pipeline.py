"""From JPEGs to normalised batches, on one core; and the first epoch, which builds the cache."""

import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from torch import Tensor

from artculture.training.factory import make_datamodule
from benchmarks.speed import classic, ours, with_timm
from benchmarks.speed.job import Job, one_thread
from benchmarks.speed.pictures import kilobytes, make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line, compared, limited
from benchmarks.speed.timing import interleaved

# Ours through torchvision's recipe, on CPU cores.
WARM, COLD = 10.0, 1.3


def measure(plan: Plan, folder: Path) -> list[Line]:
    gallery = make_gallery(folder / "gallery", plan.pictures, source=plan.source)
    typed = ours.overrides(plan, gallery, folder / "cache")
    config = ours.composed([*typed, "data.num_workers=0"])
    job = Job.of(plan, config, gallery)
    make_datamodule(config).paintings  # noqa: B018 - builds the cache
    turn = iter(range(1 << 30))
    data = make_datamodule(config)
    sides: dict[str, Callable[[], float]] = {
        ours.NAME: lambda: _rate(plan, lambda: ours.batches(data, next(turn))),
        classic.NAME: lambda: _rate(plan, lambda: _pictures(classic_loader)),
    }
    classic_loader = classic.loader(job, classic.train_folder(job), shuffle=True, workers=0)
    if with_timm.installed():
        timm_loader = with_timm.loader(job, workers=0)
        sides[with_timm.NAME] = lambda: _rate(plan, lambda: _pictures(timm_loader))
    with one_thread():
        found = interleaved("input", sides, plan.repeats)
    what = f"input pipeline on one core, warm cache ({kilobytes(gallery):.0f} KB JPEGs to {plan.image_size} px)"
    lines = [
        compared(what, "images/s", found[ours.NAME], classic.NAME, found[classic.NAME], target=WARM),
        *[compared(what, "images/s", found[ours.NAME], name, found[name]) for name in found if name == with_timm.NAME],
    ]
    return [*lines, *_first_epoch(plan, folder, job)]


def _pictures(loader: Iterable[list[Tensor]]) -> Iterable[Tensor]:
    return (batch[0] for batch in loader)


def _rate(plan: Plan, epoch: Callable[[], Iterable[Tensor]]) -> float:
    """Images/s over as many whole epochs as `plan.seconds` hold."""
    seen, spent, began = 0, 0.0, time.perf_counter()
    while spent < plan.seconds:
        seen += sum(len(pictures) for pictures in epoch())
        spent = time.perf_counter() - began
    return seen / spent


def _first_epoch(plan: Plan, folder: Path, job: Job) -> list[Line]:
    """Input alone, without a network that would hide it: the cache built and read once, on all cores."""
    config = ours.composed(ours.overrides(plan, job.root, folder / "cold"))

    def cold() -> float:
        shutil.rmtree(folder / "cold", ignore_errors=True)
        began = time.perf_counter()
        for _ in ours.batches(make_datamodule(config), 0):
            pass
        return time.perf_counter() - began

    def theirs() -> float:
        began = time.perf_counter()
        for _ in classic.loader(job, classic.train_folder(job), shuffle=True):
            pass
        return time.perf_counter() - began

    found = interleaved("first epoch", {ours.NAME: cold, classic.NAME: theirs}, plan.repeats)
    lines = [
        compared(
            f"first epoch's input on all cores, cache built on the way ({plan.pictures} pictures)",
            "s",
            found[ours.NAME],
            classic.NAME,
            found[classic.NAME],
            faster_is_less=True,
            target=COLD,
        )
    ]
    size = sum(file.stat().st_size for file in (folder / "cold").rglob("pixels.bin"))
    return [*lines, limited("cache on disk, a picture", "KB", [size / plan.pictures / 1024])]
