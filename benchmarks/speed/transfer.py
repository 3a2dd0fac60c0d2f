"""Epochs of a transfer run: the head on cached features, and with the frozen backbone run again in each epoch."""

import shutil
import statistics
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.speed import classic, ours
from benchmarks.speed.job import Job
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line, compared
from benchmarks.speed.timing import interleaved
from benchmarks.speed.training import asked

CACHED = {"cpu": 50.0, "cuda": 20.0}


def measure(plan: Plan, folder: Path) -> list[Line]:
    gallery = make_gallery(folder / "gallery", plan.transfer_pictures, source=plan.source)
    # Random features diverge at the recipe's rate, which changes no time.
    typed = ours.overrides(plan, gallery, folder / "cache", "method=transfer", "method.head_lr=1e-4")
    views = ours.composed(typed).method.views or 1
    recipe = ours.composed([text for text in typed if "trainer.max_epochs" not in text])
    config = ours.composed([*typed, f"trainer.max_epochs={views + plan.transfer_epochs}"])
    job = Job.of(plan, config, gallery)
    means: list[float] = []

    def cached() -> float:
        shutil.rmtree(folder / "cache" / "features", ignore_errors=True)
        seconds = ours.fit(config, folder / "run")
        later, epochs = statistics.median(seconds[views:]), recipe.architecture.recipe.transfer.epochs
        means.append((sum(seconds[:views]) + (epochs - views) * later) / epochs)
        return later

    sides: dict[str, Callable[[], float]] = {
        ours.NAME: cached,
        asked(classic.NAME, "fp32"): partial(classic.epoch, job),
    }
    if plan.precise:
        sides[asked(classic.NAME, "our precision")] = partial(classic.epoch, replace(job, ours=True))
    found = interleaved("transfer", sides, plan.repeats)
    of = f"of a transfer {config.architecture.name}, {plan.transfer_pictures} pictures at {plan.image_size} px"
    epochs = recipe.architecture.recipe.transfer.epochs
    mean = f"mean epoch {of}, over the recipe's {epochs} (the first {views} run the backbone, one a view)"
    lines = []
    for side in list(sides)[1:]:
        target = CACHED[plan.device.type] if side == asked(classic.NAME, "fp32") else None
        what = f"epoch {of}, once its views are cached"
        lines += [
            compared(what, "s", found[ours.NAME], side, found[side], faster_is_less=True, target=target),
            compared(mean, "s", means[1:], side, found[side], faster_is_less=True),
        ]
    return lines
