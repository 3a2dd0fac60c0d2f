"""Epochs of a fine-tuned network: ours and every peer's."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.speed import classic, ours, templated, with_timm
from benchmarks.speed.job import Job
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line, compared
from benchmarks.speed.timing import interleaved

EPOCH = 2.0


def measure(plan: Plan, folder: Path) -> list[Line]:
    pictures = plan.batches * plan.batch_size
    gallery = make_gallery(folder / "gallery", pictures, source=plan.source)
    config = ours.composed(ours.overrides(plan, gallery, folder / "cache", "trainer.max_epochs=2"))
    job = Job.of(plan, config, gallery)
    sides: dict[str, Callable[[], float]] = {ours.NAME: lambda: ours.fit(config, folder / "run")[1], **peers(job)}
    found = interleaved("epoch", sides, plan.repeats)
    name = config.architecture.name
    what = f"epoch of a fine-tuned {name}, {pictures} pictures at {plan.image_size} px, warm cache (ours: the second)"
    plain = asked(classic.NAME, "fp32")
    return [
        compared(
            what,
            "s",
            found[ours.NAME],
            side,
            found[side],
            faster_is_less=True,
            target=EPOCH if side == plain else None,
        )
        for side in list(sides)[1:]
    ]


def asked(peer: str, precision: str) -> str:
    return f"{peer}, {precision}"


def peers(job: Job) -> dict[str, Callable[[], float]]:
    """Every installed peer as it comes and, where the device gains from it, with our precision."""
    modules = [classic, *([with_timm] if with_timm.installed() else []), templated]
    sides: dict[str, Callable[[], float]] = {}
    for module in modules:
        sides[asked(module.NAME, "fp32")] = partial(module.epoch, job)
        if job.plan.precise:
            sides[asked(module.NAME, "our precision")] = partial(module.epoch, replace(job, ours=True))
    return sides
