"""Epochs of a fine-tuned network: ours and every peer's."""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from artculture.training.factory import make_datamodule
from benchmarks.speed import classic, ours, templated, with_timm
from benchmarks.speed.job import Job
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line, compared
from benchmarks.speed.timing import interleaved

# Ours through torchvision's recipe as it comes.
EPOCH, FIRST_EPOCH = 2.0, 3.5
COLD = f"{ours.NAME}, cold"


def measure(plan: Plan, folder: Path) -> list[Line]:
    pictures = plan.batches * plan.batch_size
    gallery = make_gallery(folder / "gallery", pictures, source=plan.source)
    config = ours.composed(ours.overrides(plan, gallery, folder / "cache", "trainer.max_epochs=2"))
    job = Job.of(plan, config, gallery)

    def cold() -> float:
        """Seconds of a first epoch, the decoding of all pictures included."""
        shutil.rmtree(folder / "cold", ignore_errors=True)
        began = time.perf_counter()
        make_datamodule(first).paintings  # noqa: B018 - builds the cache
        return time.perf_counter() - began + ours.fit(first, folder / "run")[0]

    first = ours.composed(ours.overrides(plan, gallery, folder / "cold", "trainer.max_epochs=1"))
    sides: dict[str, Callable[[], float]] = {
        ours.NAME: partial(ours.second_epoch, config, folder / "run"),
        COLD: cold,
        **peers(job),
    }
    found = interleaved("epoch", sides, plan.repeats)
    name = config.architecture.name
    size = f"of a fine-tuned {name}, {pictures} pictures at {plan.image_size} px"
    what, first_what = f"epoch {size}, warm cache (ours: the second)", f"first epoch {size}, decoding included"
    plain = asked(classic.NAME, "fp32")
    epochs = ((ours.NAME, what, EPOCH), (COLD, first_what, FIRST_EPOCH))
    return [
        compared(
            label, "s", found[own], side, found[side], faster_is_less=True, target=target if side == plain else None
        )
        for own, label, target in epochs
        for side in list(sides)[2:]
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
