"""Epochs in the precision and memory format that a run chooses by itself, compared with every fixed one."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from artculture.training.numeric_choice import decided
from benchmarks.speed import ours, with_timm
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line, compared
from benchmarks.speed.timing import interleaved

ARCHITECTURES = ("resnet50", "vgg16_bn", "alexnet")
OF_TIMM = ("efficientnet_lite0",)
# Time in float32 through that in the chosen format, at least: 2 % slower is allowed.
NO_SLOWER = 0.98
AUTO = "auto"
FORMATS = {
    "float32": ("trainer.precision=32", "trainer.channels_last=false"),
    "float32, channels_last": ("trainer.precision=32", "trainer.channels_last=true"),
    "bf16": ("trainer.precision=bf16-mixed", "trainer.channels_last=false"),
    "bf16, channels_last": ("trainer.precision=bf16-mixed", "trainer.channels_last=true"),
}


def measure(plan: Plan, folder: Path) -> list[Line]:
    pictures = plan.batches * plan.batch_size
    gallery = make_gallery(folder / "gallery", pictures, source=plan.source)
    names = [*ARCHITECTURES, *(OF_TIMM if with_timm.installed() else ())]
    plans = [replace(plan, architecture=(f"architecture={name}",)) for name in names]
    if plan.architecture != Plan.architecture:  # one was asked for
        plans = [plan]
    return [line for each in plans for line in _lines(each, gallery, folder)]


def _lines(plan: Plan, gallery: Path, folder: Path) -> list[Line]:
    typed = ours.overrides(plan, gallery, folder / "cache", "trainer.max_epochs=2")
    # Without instructions for it, an epoch in bf16 takes many times as long.
    formats = {each: more for each, more in FORMATS.items() if plan.gains or not each.startswith("bf16")}
    configs = {each: ours.composed([*typed, *more]) for each, more in {AUTO: (), **formats}.items()}
    configs[AUTO] = decided(configs[AUTO])
    chosen, name = configs[AUTO].trainer, configs[AUTO].architecture.name
    sides: dict[str, Callable[[], float]] = {
        each: partial(ours.second_epoch, config, folder / "run") for each, config in configs.items()
    }
    found = interleaved(f"formats of {name}", sides, plan.repeats)
    size = f"{plan.batches * plan.batch_size} pictures at {plan.image_size} px"
    how = f"{chosen.precision}{', channels_last' if chosen.channels_last else ''}"
    what = f"epoch of a fine-tuned {name}, {size}, as it comes ({how})"
    return [
        compared(
            what, "s", found[AUTO], each, found[each], faster_is_less=True, target=NO_SLOWER if place == 0 else None
        )
        for place, each in enumerate(formats)
    ]
