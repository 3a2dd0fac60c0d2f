"""`artculture predict`: the most probable cultures of any pictures."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from artculture.config.composition import quoted, run_app
from artculture.config.schema.checkpoint_commands import PredictConfig

if TYPE_CHECKING:
    from artculture.evaluation.predict import Prediction

PATHS = ("checkpoint", "images", "output", "overlay")


def run(argv: list[str]) -> int:
    return run_app("predict", PredictConfig, predict, quoted(argv, PATHS))


def predict(config: PredictConfig) -> int:
    # torch is imported after the config is validated, so that help and errors appear at once.
    import time

    from artculture.analysis.loading import checkpoint_file
    from artculture.analysis.saliency import feature_maps
    from artculture.evaluation.image_sources import MEGABYTE, ImageReader, find_sources
    from artculture.evaluation.predict import Predictor
    from artculture.evaluation.prediction_output import write_predictions
    from artculture.models.checkpoint import load_classifier

    sources = find_sources(_names(config.images))
    classifier = load_classifier(checkpoint_file(Path(config.checkpoint)))
    reader = ImageReader(classifier.preprocessing, config.timeout, config.largest_download * MEGABYTE)
    overlays = None if config.overlay is None else feature_maps.overlays
    folder = Path(config.overlay or ".").expanduser()
    predictor = Predictor(classifier, reader, config.top, config.batch_size, config.device, overlays, folder)
    count = _Count()
    output = Path(config.output).expanduser() if config.output else None
    began = time.perf_counter()
    write_predictions(count.count(predictor.predict(sources)), config.format, predictor.top, output)
    sys.stderr.write(count.summary(time.perf_counter() - began))
    return 1 if count.failed else 0


def _names(images: str | list[str]) -> list[str]:
    if images == "-":
        return [line.rstrip("\n") for line in sys.stdin]
    return [images] if isinstance(images, str) else images


class _Count:
    """Counts predictions and reports pictures that can't be read."""

    def __init__(self) -> None:
        self.all = self.failed = 0

    def count(self, predictions: "Iterable[Prediction]") -> "Iterator[Prediction]":
        for prediction in predictions:
            self.all += 1
            if prediction.error:
                self.failed += 1
                sys.stderr.write(f"artculture: {prediction.image}: {prediction.error}\n")
            yield prediction

    def summary(self, seconds: float) -> str:
        good = self.all - self.failed
        failed = f", {self.failed} can't be read" if self.failed else ""
        return f"{good} pictures in {seconds:.1f} s, {good / max(seconds, 1e-9):.1f} images/s{failed}\n"
