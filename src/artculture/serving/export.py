"""Export of a checkpoint to one file, with proof on real pictures that it gives the same answers."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture import __version__
from artculture.analysis.embedding.features import image_batches
from artculture.analysis.model_under_study import ModelUnderStudy
from artculture.analysis.performance.evaluated_paintings import select_rows
from artculture.evaluation.inference import TorchModel
from artculture.evaluation.intervals import wilson
from artculture.serving import writers
from artculture.serving.export_graph import metadata
from artculture.serving.onnx_model import OnnxModel
from artculture.training.result import versions
from artculture.utils.errors import InputError, WorkError
from artculture.utils.io import file_sha256, write_json

SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2"}
# Smallest share of pictures whose most probable culture stays the same.
AGREEMENT = {"float32": 1.0, "float16": 0.98, "int8": 0.9}
# Largest difference of a float32 file's probabilities; exports without a fault stay below 1e-5.
TOLERANCE = 1e-3

Probabilities = Callable[[Tensor], NDArray[np.float32]]


@dataclass(frozen=True)
class ExportSettings:
    """What to write.

    Attributes:
        form: `onnx` or `torch_export`.
        precision: `float32`, `float16` or `int8` (ONNX alone).
        quantization: of int8: `static`, `dynamic` or `auto`.
        calibration: number of training paintings by which static ranges are chosen.
        pictures: largest number of paintings that the file is compared on.
        agreement: smallest share of equal top-1 predictions; None for `AGREEMENT`.
        license: of the model, for the metadata; None where it is not stated.
    """

    form: str
    precision: str
    quantization: str
    calibration: int
    pictures: int
    agreement: float | None
    license: str | None


@dataclass(frozen=True)
class Parity:
    """Comparison of an exported file with its checkpoint, on the same pictures.

    Attributes:
        pictures: number of pictures.
        same_top1: how many have the same most probable culture.
        largest_difference: of a probability.
        mean_difference: of the probabilities.
        before, after: top-1 accuracy, with its interval of 95 %.
    """

    pictures: int
    same_top1: int
    largest_difference: float
    mean_difference: float
    before: dict[str, Any]
    after: dict[str, Any]


def export(model: ModelUnderStudy, settings: ExportSettings, path: Path) -> tuple[dict[str, Any], Parity]:
    """Write an exported file and, next to it, `<file>.json` with its description and parity.

    Args:
        model: the classifier, and paintings to compare on: those that its run did not train on.
        settings: what to write.
        path: the file.

    Returns:
        The description and the parity.

    Raises:
        WorkError: the network can't be exported, or the file answers otherwise; an earlier file at `path` stays then.
    """
    rows = evenly(select_rows(model, None).rows, settings.pictures)
    facts = metadata(
        model.classifier,
        precision=settings.precision,
        license=settings.license,
        trained_on={"data": model.data, "licences": _licences(model)},
        checkpoint_sha256=file_sha256(model.checkpoint),
        artculture=__version__,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    # Next to `path`, so that the file replaces an earlier one at once, and only after it has answered rightly.
    with TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
        unproven = Path(folder) / path.name
        facts |= _write(model, settings, unproven, facts)
        parity = compare(model, rows, _reader(unproven))
        _check(parity, settings, path)
        unproven.replace(path)
    record = {
        **facts,
        "file": path.name,
        "sha256": file_sha256(path),
        "bytes": path.stat().st_size,
        "parity": asdict(parity),
        "versions": versions() | writers.package_versions(),
    }
    write_json(record_of(path), record)
    return facts, parity


def record_of(path: Path) -> Path:
    """Return the path of the description next to an exported file."""
    return path.with_name(path.name + ".json")


def compare(model: ModelUnderStudy, rows: NDArray[np.int64], exported: Probabilities, batch_size: int = 32) -> Parity:
    """Compare the probabilities of an exported file with those of its checkpoint.

    Args:
        model: classifier and paintings.
        rows: positions of the paintings.
        exported: images uint8 N x 3 x size x size to probabilities.
        batch_size: of all batches but two: the last one, and the first painting alone, which has another size.
    """
    ours, theirs = [], []
    reference = TorchModel(model.classifier, "cpu")
    for part in (rows[:1], rows):
        for images, _, _ in image_batches(model, part, batch_size):
            ours.append(reference.probabilities(images))
            theirs.append(exported(images))
    before, after = np.concatenate(ours), np.concatenate(theirs).astype(np.float64)
    labels = model.paintings.selection.labels[np.concatenate([rows[:1], rows])]
    if not np.isfinite(after).all():
        raise WorkError("the exported file gives probabilities that are not finite: take precision=float32")
    difference = np.abs(before - after)
    return Parity(
        len(rows),
        int((before.argmax(axis=1) == after.argmax(axis=1))[1:].sum()),
        float(difference.max()),
        float(difference.mean()),
        _accuracy(before[1:], labels[1:]),
        _accuracy(after[1:], labels[1:]),
    )


def evenly(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most `count` of some positions, evenly spaced."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(np.int64)]


def _write(model: ModelUnderStudy, settings: ExportSettings, path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    half = settings.precision == "float16"
    if settings.form == "torch_export":
        writers.write_torch_export(model.classifier, path, facts, half=half)
        return {}
    if settings.precision != "int8":
        writers.write_onnx(model.classifier, path, facts, half=half)
        return {}
    with TemporaryDirectory(prefix="artculture-") as folder:
        source = Path(folder) / "float32.onnx"
        writers.write_onnx(model.classifier, source, facts)
        quantization = settings.quantization
        if quantization == "auto":
            quantization = "static" if writers.has_more_convolutions(source) else "dynamic"
        more = {"quantization": quantization}
        batches = _calibration(model, settings.calibration) if quantization == "static" else None
        writers.write_int8(source, path, facts | more, batches)
    return more


def _calibration(model: ModelUnderStudy, count: int) -> Iterator[Tensor]:
    rows = evenly(model.paintings.selection.members("train"), count)
    if len(rows) == 0:
        raise InputError("quantization=static needs training paintings for its ranges: take quantization=dynamic")
    return (images for images, _, _ in image_batches(model, rows, 16))


def _reader(path: Path) -> Probabilities:
    if path.suffix == SUFFIXES["onnx"]:
        session = OnnxModel(path, "cpu")
        return lambda images: session.run(images)["probabilities"]
    program = writers.read_torch_export(path)

    def run(images: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            values: NDArray[np.float32] = program(images)[0].numpy()
        return values

    return run


def _check(parity: Parity, settings: ExportSettings, path: Path) -> None:
    least = AGREEMENT[settings.precision] if settings.agreement is None else settings.agreement
    far = settings.precision == "float32" and parity.largest_difference > TOLERANCE
    if parity.same_top1 < least * parity.pictures or far:
        raise WorkError(
            f"{path.name} is not written: its most probable class is the checkpoint's for {parity.same_top1} of "
            f"{parity.pictures} pictures (at least {100 * least:g} % are asked for), its probabilities differ by up to "
            f"{parity.largest_difference:.2g}. Take a higher precision, more calibration pictures, or a smaller "
            "agreement=…"
        )


def _accuracy(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, Any]:
    right = int((probabilities.argmax(axis=1) == labels).sum())
    return {"top1": right / len(labels), "interval": list(wilson(right, len(labels)))}


def _licences(model: ModelUnderStudy) -> dict[str, int]:
    """Return the number of training paintings by licence, as the manifest states it."""
    selection = model.paintings.selection
    stated = selection.manifest.table["licence"].iloc[selection.members("train")].astype(str).str.strip()
    return {str(name) or "not stated": int(count) for name, count in stated.value_counts().items()}
