"""Training with real input compared with its upper limit: the same step on a fixed batch."""

from dataclasses import replace
from pathlib import Path

from benchmarks.speed import ours
from benchmarks.speed.job import Job
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line, compared
from benchmarks.speed.timing import interleaved

SHARE = {"cpu": 0.97, "cuda": 0.95}
LIMIT = "the same step on a fixed batch in memory"


def measure(plan: Plan, folder: Path) -> list[Line]:
    pictures = plan.batches * plan.batch_size
    gallery = make_gallery(folder / "gallery", pictures, source=plan.source)
    config = ours.composed(ours.overrides(plan, gallery, folder / "cache", "trainer.max_epochs=2"))
    job = replace(Job.of(plan, config, gallery), ours=True)
    sides = {
        ours.NAME: lambda: pictures / ours.second_epoch(config, folder / "run"),
        LIMIT: lambda: ours.fixed_batch(job, plan.batches),
    }
    found = interleaved("limit", sides, plan.repeats)
    what = f"training of {config.architecture.name} with real input, {pictures} pictures at {plan.image_size} px"
    return [
        compared(what, "images/s", found[ours.NAME], LIMIT, found[LIMIT], target=SHARE[plan.device.type]),
    ]
