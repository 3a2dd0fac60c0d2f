"""Speed of prediction on this CPU: whole commands compared with the model alone, and exported files with torch."""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from datetime import datetime
from importlib import metadata
from pathlib import Path

import torch

from artculture.evaluation.image_sources import ImageReader, find_sources, image_downloader
from artculture.evaluation.inference import InferenceModel, TorchModel
from artculture.evaluation.predict import Predictor
from artculture.models.checkpoint import load_classifier
from artculture.serving.onnx_model import OnnxModel
from artculture.training.checkpoint_source import checkpoint_file
from artculture.utils.hardware import cpu_name
from artculture.utils.io import write_text

RESULTS = Path(__file__).parent / "results" / "export.md"
PACKAGES = ("torch", "onnxruntime", "timm", "pillow")
Work = Callable[[], int]


def predicting(model: InferenceModel, images: str, count: int, batch: int) -> Work:
    sources = find_sources([images])[0]
    sources = (sources * (count // len(sources) + 1))[:count]

    def work() -> int:
        reader = ImageReader(model.preprocessing, image_downloader(30, 1e8, 300, allow_private=False))
        return sum(prediction.error is None for prediction in Predictor(model, reader, 3, batch).predict(sources))

    return work


def alone(model: InferenceModel, images: torch.Tensor, count: int) -> Work:
    def work() -> int:
        for _ in range(count // len(images)):
            model.probabilities(images)
        return count // len(images) * len(images)

    return work


def eager(model: TorchModel, images: torch.Tensor, count: int) -> Work:
    """The network as loaded by torch alone: default memory format, no inference mode of ours."""
    network = torch.nn.Module.eval(model.classifier.network)
    mean, std = (model.classifier.get_buffer(name).view(1, 3, 1, 1) for name in ("mean", "std"))

    def work() -> int:
        with torch.no_grad():
            for _ in range(count // len(images)):
                network((images.float() / 255 - mean) / std).softmax(dim=1)
        return count // len(images) * len(images)

    return work


def measure(works: dict[str, Work], turns: int) -> dict[str, list[float]]:
    """Return images/s of each work; all take turns after one that does not count."""
    rates: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(turns + 1):
        for name, work in works.items():
            began = time.perf_counter()
            done = work()
            if turn:
                rates[name].append(done / (time.perf_counter() - began))
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True, help="a run with export/model-*.onnx, or its checkpoint")
    parser.add_argument("--images", required=True, help="a folder of pictures")
    parser.add_argument("--count", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    file = checkpoint_file(arguments.checkpoint)
    ours = TorchModel(load_classifier(file), "cpu")
    first = find_sources([arguments.images])[0][: arguments.batch]
    batch = torch.stack([ours.prepare(Path(source.name)) for source in first])
    count = arguments.count
    works: dict[str, Work] = {
        "artculture, model alone on a fixed batch": alone(ours, batch, count),
        "artculture predict, from files": predicting(ours, arguments.images, count, arguments.batch),
        "PyTorch eager on a fixed batch": eager(ours, batch, count),
    }
    for path in sorted((file.parent.parent / "export").glob("*.onnx")):
        model = OnnxModel(path, "cpu")
        works[f"ONNX Runtime, {path.stem.removeprefix('model-')}, on a fixed batch"] = alone(model, batch, count)
        if path.stem.endswith("float32"):
            works["artculture predict with ONNX Runtime, float32, from files"] = predicting(
                model, arguments.images, count, arguments.batch
            )
    before = _load()
    rates = measure(works, arguments.turns)
    write_text(arguments.output, report(rates, arguments, ours, before))


def _load() -> str:
    return f"{float(Path('/proc/loadavg').read_text().split()[0]):.1f}"


def report(rates: dict[str, list[float]], arguments: argparse.Namespace, model: TorchModel, load: str) -> str:
    reference = rates["artculture, model alone on a fixed batch"]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    lines = [
        "# Speed of prediction and of exported files\n",
        f"{datetime.now():%Y-%m-%d}, {cpu_name()}, threads of the model: {torch.get_num_threads()}, Python "
        f"{platform.python_version()}, {versions}; load average {load} before and {_load()} after. "
        f"{model.classifier.hyper['backbone']} at {model.preprocessing.image_size} px, batches of {arguments.batch}, "
        f"{arguments.count} pictures a turn. Sides take turns; the median of {arguments.turns} turns, and of the "
        "ratios turn by turn to the model alone, with the smallest and the largest.\n",
        "| | images/s | ratio to the model alone |\n|---|---:|---:|",
    ]
    for name, values in rates.items():
        ratios = [value / other for value, other in zip(values, reference, strict=True)]
        spread = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
        lines.append(f"| {name} | {statistics.median(values):.1f} | {spread} |")
    command = f"python -m benchmarks.export --checkpoint RUN --images FOLDER --count {arguments.count}"
    options = f"--batch {arguments.batch} --turns {arguments.turns}"
    lines.append(f"\n`{command} {options}`, after `artculture export` in each precision.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
