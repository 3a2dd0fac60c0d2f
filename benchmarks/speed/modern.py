"""Epochs of recipe=modern (AdamW, EMA, MixUp and CutMix, RandAugment) compared with those of recipe=paper."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.speed import ours
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line
from benchmarks.speed.timing import Spread, interleaved

# The plain epoch's time, at most.
COST = 1.1
PLAIN, MODERN = "recipe=paper", "recipe=modern"


def measure(plan: Plan, folder: Path) -> list[Line]:
    pictures = plan.batches * plan.batch_size
    gallery = make_gallery(folder / "gallery", pictures, source=plan.source)
    typed = ours.overrides(plan, gallery, folder / "cache", "trainer.max_epochs=2")
    configs = {recipe: ours.composed([*typed, recipe]) for recipe in (PLAIN, MODERN)}
    sides: dict[str, Callable[[], float]] = {
        recipe: partial(ours.second_epoch, config, folder / "run") for recipe, config in configs.items()
    }
    found = interleaved("modern", sides, plan.repeats)
    ratio = Spread.of([modern / plain for modern, plain in zip(found[MODERN], found[PLAIN], strict=True)])
    name = configs[PLAIN].architecture.name
    return [
        Line(
            f"epoch of a fine-tuned {name} with {MODERN}, {pictures} pictures at {plan.image_size} px",
            f"{Spread.of(found[MODERN])} s",
            PLAIN,
            f"{Spread.of(found[PLAIN])} s",
            f"{ratio}×",
            f"≤ {COST:g}×",
            ratio.median <= COST,
        )
    ]
