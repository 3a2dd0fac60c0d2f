"""Training by several processes that share every batch (gloo), compared with as many that share nothing.

Simulates several devices on a CPU: each process has one thread. What the shared batch costs, the all-reduce above all,
is what separates both rates.
"""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.speed import ours, watch
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line, compared
from benchmarks.speed.timing import interleaved

EFFICIENCY = 0.9
PROCESSES = (2, 4)
EPOCHS = 3


def measure(plan: Plan, folder: Path) -> list[Line]:
    if plan.on_gpu:  # for real devices see the grid
        return []
    lines = []
    for count in PROCESSES:
        each = plan.batches * plan.batch_size
        shared = make_gallery(folder / f"shared-{count}", count * each, source=plan.source)
        alone = make_gallery(folder / f"alone-{count}", each, source=plan.source)
        together = [f"data.batch_size={count * plan.batch_size}", "trainer=ddp", "trainer.accelerator=cpu"]
        together.append(f"trainer.devices={count}")
        sides = {
            "one batch": partial(_rate, plan, shared, folder, 1, *together),
            "nothing": partial(_rate, plan, alone, folder, count),
        }
        found = interleaved(f"{count} processes", sides, plan.repeats)
        lines.append(
            compared(
                f"training of {plan.architecture[0]} by {count} processes of one thread that share batches of "
                f"{count * plan.batch_size} pictures at {plan.image_size} px",
                "images/s",
                found["one batch"],
                f"{count} processes that share nothing",
                found["nothing"],
                target=EFFICIENCY,
            )
        )
    return lines


def _rate(plan: Plan, gallery: Path, folder: Path, commands: int, *more: str) -> float:
    """Return images/s of all commands together, in training alone."""
    outputs = folder / "outputs"
    shutil.rmtree(outputs, ignore_errors=True)
    typed = ours.overrides(plan, gallery, folder / f"{gallery.name}-cache", *more)
    typed += ["trainer.threads=1", f"trainer.max_epochs={EPOCHS}", "data.num_workers=0"]

    def train(number: int) -> None:
        watch.run(["artculture", "train", *typed, f"study.root={outputs / str(number)}"], interval=None)

    with ThreadPoolExecutor(commands) as pool:
        list(pool.map(train, range(commands)))
    results = list(outputs.glob("*/*/*/result.json"))
    return sum(float(json.loads(file.read_text())["images_per_second"]) for file in results)
