"""Loading of what `artculture serve` shows: models, their feature indexes, examples."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from artculture.analysis.embedding.feature_index import FACTS, FeatureIndex, open_index
from artculture.analysis.loading import own_data, stored_split_of
from artculture.config.schema.checkpoint_commands import ServeConfig
from artculture.data.decoding import BadImageError, read_pixels
from artculture.data.selection import whole_manifest
from artculture.evaluation.inference import InferenceModel
from artculture.serving.loading import load_model
from artculture.serving.onnx_model import OnnxModel
from artculture.serving.web.served_model import ServedModel
from artculture.training.checkpoint_source import checkpoint_file, checkpoint_label
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError, WorkError
from artculture.utils.io import file_sha256
from artculture.utils.thumbnails import encode_thumbnail

log = logging.getLogger(__name__)

# Folders of a run that hold its models.
MODEL_FOLDERS = ("checkpoints", "export")
# Sources of a run whose pictures are files on this machine.
LOCAL_DATA = ("folder", "met", "sample")
EXAMPLE_SIDE = 240


@dataclass(frozen=True)
class Example:
    """A test painting that is offered on the page.

    Attributes:
        picture: its file, or its content.
        thumbnail: a JPEG.
        title, artist: as the manifest states them.
    """

    picture: Path | bytes
    thumbnail: bytes
    title: str
    artist: str

    def content(self) -> bytes:
        """Return the picture's file.

        Raises:
            OSError: it can't be read any more.
        """
        return self.picture if isinstance(self.picture, bytes) else self.picture.read_bytes()


def load_models(config: ServeConfig) -> list[ServedModel]:
    """Return the models of a config, named by run or file.

    Raises:
        InputError: a checkpoint or an index can't be had, or belongs to another checkpoint.
    """
    found: list[ServedModel] = []
    indexes: Sequence[str | None] = config.indexes or [None] * len(config.checkpoints)
    for checkpoint, folder in zip(config.checkpoints, indexes, strict=True):
        file = checkpoint_file(checkpoint)
        model = load_model(file, config.device, config.trust, all_labels=True)
        run = run_of_model(file)
        name = _unique(_name(file, run), [other.name for other in found])
        index = _index(model, file, run, folder)
        found.append(
            ServedModel(name, model, config.sets, index, _facts(model, run, file), None if run is None else run.path)
        )
    return found


def run_of_model(file: Path) -> RunDirectory | None:
    """Return the run of a checkpoint or of an exported file in its run directory; None for one elsewhere."""
    folder = file.resolve().parent
    run = RunDirectory(folder.parent)
    return run if folder.name in MODEL_FOLDERS and run.config.is_file() else None


def load_examples(models: Sequence[ServedModel], count: int, trust: Sequence[str] = ()) -> list[Example]:
    """Return test paintings of the first model's run, evenly over its classes; none where they are not here."""
    run = next((model.run for model in models if model.run is not None), None)
    if run is None or count == 0:
        return []
    try:
        directory = RunDirectory(run)
        stored = stored_split_of(directory)
        choice, _ = own_data(directory.best, directory, trust)
        if stored is None or choice.name not in LOCAL_DATA:
            return []
        manifest = whole_manifest(choice)
    except (InputError, WorkError, OSError) as error:
        log.warning("no examples on the page: %s", error)
        return []
    split = stored.match(manifest.table).split
    table = manifest.table.assign(row=range(len(manifest.table)))[split == "test"]
    found = (_example(manifest.picture(int(row["row"])), row) for row in _spread(table))
    return [example for example, _ in zip(filter(None, found), range(count), strict=False)]


def _spread(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows, the first of each class before the second of any."""
    turn = table.groupby("culture").cumcount()
    ordered = table.assign(turn=turn).sort_values(["turn", "culture"], kind="stable")
    return [{str(key): value for key, value in row.items()} for row in ordered.to_dict("records")]


def _example(picture: Path | bytes, row: dict[str, Any]) -> Example | None:
    try:
        pixels = read_pixels(picture, EXAMPLE_SIDE, "bicubic")
    except (BadImageError, WorkError, OSError):
        return None
    thumbnail = encode_thumbnail(Image.fromarray(pixels), 2 * EXAMPLE_SIDE, "JPEG", quality=80, optimize=True)
    title, artist = ("" if pd.isna(row[key]) else str(row[key]) for key in ("title", "artist"))
    return Example(picture, thumbnail, title, artist)


def _index(model: InferenceModel, file: Path, run: RunDirectory | None, given: str | None) -> FeatureIndex | None:
    folder = Path(given).expanduser() if given else run.path / "index" if run else None
    if folder is None or (given is None and not (folder / FACTS).is_file()):
        return None
    # An exported file has the features of its checkpoint.
    made_of = model.description.get("checkpoint_sha256", "") if isinstance(model, OnnxModel) else file_sha256(file)
    try:
        return open_index(folder, str(made_of))
    except InputError as error:
        if given is not None:
            raise
        log.warning("no similar paintings: %s", error)
        return None


def _name(file: Path, run: RunDirectory | None) -> str:
    if run is None:
        return checkpoint_label(file)
    name = run.path.resolve().name
    return name if file.suffix == ".ckpt" else f"{name} ({file.stem})"


def _unique(name: str, used: Sequence[str]) -> str:
    number, found = 1, name
    while found in used:
        number += 1
        found = f"{name} ({number})"
    return found


def _facts(model: InferenceModel, run: RunDirectory | None, file: Path) -> dict[str, Any]:
    """Return what is known of a model: its classes and, of the best checkpoint of a finished run, its test accuracy."""
    facts: dict[str, Any] = {
        "label": model.words.one,
        "classes": list(model.classes),
        "image_size": model.preprocessing.image_size,
    }
    if run is None or not run.result.is_file():
        return facts
    try:
        result = run.read_result()
    except InputError as error:
        log.warning("%s", error)
        return facts
    # Another epoch, or numbers of fewer bits, have another accuracy.
    accuracy = ("test_top1",) if file.resolve() == run.best.resolve() else ()
    kept = ("architecture", "method", "data", *accuracy)
    return facts | {key: result[key] for key in kept if result.get(key) is not None}
