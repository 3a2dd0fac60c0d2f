"""`artculture predict`: the most probable cultures of any pictures."""

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from artculture.config.composition import run_app
from artculture.config.schema.checkpoint_commands import PredictConfig
from artculture.utils.visible_text import visible

if TYPE_CHECKING:
    from artculture.evaluation.image_sources import ImageSource
    from artculture.evaluation.inference import InferenceModel
    from artculture.evaluation.predict import OverlayFunction, Prediction, Predictor


def run(argv: list[str]) -> int:
    return run_app("predict", PredictConfig, predict, argv)


def predict(config: PredictConfig) -> int:
    # torch is imported after the config is validated, so that help and errors appear at once.
    import time

    from artculture.evaluation.image_sources import MEGABYTE, ImageReader, find_sources, image_downloader
    from artculture.evaluation.inference import EnsembleModel
    from artculture.evaluation.predict import Predictor
    from artculture.evaluation.test_time_views import TestTimeViews
    from artculture.evaluation.uncertainty import doubt
    from artculture.serving.loading import load_model
    from artculture.training.checkpoint_source import checkpoint_file
    from artculture.utils.errors import InputError
    from artculture.utils.outputs import output_file

    sources, left_out = find_sources(_names(config.images))
    if left_out:
        sys.stderr.write(visible(f"left out of the folders: {left_out}") + "\n")
    output = output_file(config.output, overwrite=config.overwrite) if config.output else None
    folder = _overlay_folder(config, sources)
    checkpoint = checkpoint_file(config.checkpoint)
    model = load_model(checkpoint, config.device, config.trust, all_labels=True, precision=config.precision)
    downloader = image_downloader(
        config.timeout, config.largest_download * MEGABYTE, config.longest_download, allow_private=config.allow_private
    )
    if config.tta and isinstance(model, EnsembleModel):
        raise InputError(f"tta averages views for one network, and {config.checkpoint} is an ensemble of several")
    views = TestTimeViews(model.preprocessing, config.tta) if config.tta else None
    reader = ImageReader(model.preprocessing, downloader, None if views is None else views.decoding)
    overlays = None if config.overlay is None else _overlays(model)
    extra = doubt(
        model.uncertainty,
        model.classes,
        config.sets,
        unlike=config.unlike,
        source=checkpoint,
        by_culture=config.sets_by == "culture",
    )
    predictor = Predictor(model, reader, config.top, config.batch_size, overlays, folder, views, extra)
    count = _Count()
    began = time.perf_counter()
    if output is None:
        _print(predictor, sources, config, count)
    else:
        _write(predictor, sources, config, count, output, checkpoint)
    sys.stderr.write(count.summary(time.perf_counter() - began))
    return 1 if count.failed or count.earlier_failures else 0


def _print(predictor: "Predictor", sources: "Sequence[ImageSource]", config: PredictConfig, count: "_Count") -> None:
    from contextlib import closing

    from artculture.evaluation.prediction_output import write_predictions

    with closing(predictor.predict(sources)) as predictions:
        write_predictions(count.count(predictions), config.format, predictor.columns, None, _extras(config))


def _write(
    predictor: "Predictor",
    sources: "Sequence[ImageSource]",
    config: PredictConfig,
    count: "_Count",
    output: Path,
    checkpoint: Path,
) -> None:
    """Predict into a journal, from which the output is written at the end; continue where an earlier launch stopped."""
    from contextlib import closing

    from artculture.evaluation.prediction_journal import PredictionJournal
    from artculture.evaluation.prediction_output import write_predictions
    from artculture.utils.io import file_sha256
    from artculture.utils.progress import shown_rate

    identity = {
        "checkpoint": file_sha256(checkpoint),
        "top": predictor.top,
        "overlay": config.overlay,
        "tta": config.tta,
        "sets": config.sets,
        "sets_by": config.sets_by,
        "unlike": config.unlike,
        "precision": config.precision,
    }
    with PredictionJournal(output, identity) as journal:
        done = journal.count(sources)
        if done:
            sys.stderr.write(f"continuing after {done} of {len(sources)} pictures that were predicted before\n")
            predictor.reserve(journal.predictions())
        with (
            closing(predictor.predict(sources[done:])) as predictions,
            shown_rate("pictures", len(sources), done) as progress,
        ):
            for number, prediction in enumerate(count.count(predictions), done + 1):
                journal.append(prediction)
                progress(number)
        count.failed_before(journal.predictions(), done)
        write_predictions(journal.predictions(), config.format, predictor.columns, output, _extras(config))
        journal.remove()


def _extras(config: PredictConfig) -> list[str]:
    asked = {"set": config.sets is not None, "unlike": config.unlike}
    return [name for name, wanted in asked.items() if wanted]


def _overlays(model: "InferenceModel") -> "OverlayFunction":
    from functools import partial

    from artculture.analysis.saliency import feature_maps
    from artculture.evaluation.inference import TorchModel
    from artculture.models.label_view import of_label
    from artculture.utils.errors import InputError

    if not isinstance(model, TorchModel):
        raise InputError(f"overlay: {model.name} has no feature maps; give the checkpoint of one network")
    classifier = model.classifier
    return partial(feature_maps.overlays, of_label(classifier, classifier.tasks[0].name))


def _overlay_folder(config: PredictConfig, sources: "Sequence[ImageSource]") -> Path:
    from artculture.utils.errors import InputError
    from artculture.utils.outputs import output_folder

    if config.overlay is None:
        return Path()
    folder = output_folder(config.overlay, overwrite=config.overwrite, key="overlay")
    if any(Path(source.name).expanduser().parent.resolve() == folder for source in sources if not source.is_url):
        raise InputError(f"overlay={config.overlay} is the folder of pictures that are read; give another folder")
    return folder


def _names(images: str | list[str]) -> list[str]:
    if images == "-":
        return [line.rstrip("\n") for line in sys.stdin]
    return [images] if isinstance(images, str) else images


class _Count:
    """Counts predictions and reports pictures that can't be read."""

    def __init__(self) -> None:
        self.all = self.failed = self.earlier_failures = 0

    def count(self, predictions: "Iterable[Prediction]") -> "Iterator[Prediction]":
        for prediction in predictions:
            self.all += 1
            if prediction.error:
                self.failed += 1
                sys.stderr.write(visible(f"artculture: {prediction.image}: {prediction.error}") + "\n")
            yield prediction

    def failed_before(self, predictions: "Iterable[Prediction]", count: int) -> None:
        """Count the unreadable ones among the first predictions, which an earlier launch has reported."""
        self.earlier_failures = sum(prediction.error is not None for prediction in itertools.islice(predictions, count))

    def summary(self, seconds: float) -> str:
        good = self.all - self.failed
        failed = f", {self.failed} can't be read" if self.failed else ""
        pictures = "1 picture" if good == 1 else f"{good} pictures"
        return f"{pictures} in {seconds:.1f} s, {good / max(seconds, 1e-9):.1f} images/s{failed}\n"
