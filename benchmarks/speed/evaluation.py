"""Evaluation of a split and prediction of files, with the weights of a classifier: ours and torchvision's recipe."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from artculture.config.schema.checkpoint_commands import InferencePrecision
from artculture.evaluation.image_sources import ImageReader, find_sources, image_downloader
from artculture.evaluation.inference import TorchModel
from artculture.evaluation.predict import Predictor
from artculture.training.factory import make_classifier, make_datamodule
from artculture.training.predicting import predict_logits
from benchmarks.speed import classic, ours
from benchmarks.speed.job import Job
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line, compared
from benchmarks.speed.timing import interleaved

FASTER = 2.0
# torchvision's own: shorter side before the centre crop, to the crop's.
RESIZE = 256 / 224
EVALUATE, PREDICT, HALF = "evaluation of a split, warm cache", "prediction of files", "precision=bfloat16"


def measure(plan: Plan, folder: Path) -> list[Line]:
    pictures = plan.batches * plan.batch_size
    gallery = make_gallery(folder / "gallery", pictures, source=plan.source)
    config = ours.composed(ours.overrides(plan, gallery, folder / "cache"))
    data = make_datamodule(config)
    classifier = make_classifier(config, data.classes).eval()
    classifier.setup("test")
    rows = np.arange(len(data.paintings.selection.labels))
    rows = rows[data.paintings.selection.split[rows] == "train"]
    job = Job.of(plan, config, gallery)
    accelerator = "gpu" if plan.on_gpu else "cpu"

    size = config.data.batch_size * config.trainer.eval_batches

    def evaluate(precision: InferencePrecision) -> float:
        began = time.perf_counter()
        file = Path("best.ckpt")
        predict_logits(classifier, data.paintings, rows, size, file, accelerator=accelerator, precision=precision)
        return len(rows) / (time.perf_counter() - began)

    sources = find_sources([str(gallery / "train")])[0]

    def predict(precision: InferencePrecision) -> float:
        reader = ImageReader(classifier.preprocessing, image_downloader(30, 1e8, 300, allow_private=False))
        model = TorchModel(classifier, accelerator, precision=precision)
        began = time.perf_counter()
        done = sum(one.error is None for one in Predictor(model, reader, 3, config.data.batch_size).predict(sources))
        return done / (time.perf_counter() - began)

    sides: dict[str, Callable[[], float]] = {
        EVALUATE: lambda: evaluate("float32"),
        f"{EVALUATE}, {HALF}": lambda: evaluate("bfloat16"),
        PREDICT: lambda: predict("float32"),
        f"{PREDICT}, {HALF}": lambda: predict("bfloat16"),
        classic.NAME: lambda: _recipe(job),
    }
    found = interleaved("evaluation", sides, plan.repeats)
    name = config.architecture.name
    return [
        compared(
            f"{what}, {name}, {pictures} pictures at {plan.image_size} px",
            "images/s",
            found[what],
            classic.NAME,
            found[classic.NAME],
            target=FASTER,
        )
        for what in sides
        if what != classic.NAME
    ]


@torch.no_grad()
def _recipe(job: Job) -> float:
    """Images/s of the tutorials' loop of evaluation, from asking the loader to the last picture's class."""
    network = job.network().eval()
    folder = classic.eval_folder(job, "train", round(RESIZE * job.image_size))
    began = time.perf_counter()
    for inputs, _ in classic.loader(job, folder, shuffle=False):
        network(job.moved(inputs)).argmax(1).cpu()
    return len(folder) / (time.perf_counter() - began)
