"""Prediction of the most probable cultures of images, batch by batch; unreadable images are reported and skipped."""

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from artculture.data.decoding import BadImageError
from artculture.evaluation.image_sources import ImageReader, ImageSource
from artculture.evaluation.inference import InferenceModel
from artculture.evaluation.test_time_views import TestTimeViews, mean_probabilities, view_logits
from artculture.evaluation.uncertainty import Doubt
from artculture.utils.io import replacing

# Threads that decode or download; more than the cores, because downloads mostly wait.
READ_THREADS = 8
# Characters of an overlay's stem: file systems allow 255 bytes per name, and UTF-8 takes up to 4 per character.
MAX_STEM_LENGTH = 50

OverlayFunction = Callable[[Tensor], Sequence[Image.Image]]


@dataclass(frozen=True)
class Prediction:
    """Prediction for one image.

    Attributes:
        image: path or URL.
        cultures: (name, calibrated probability), most probable first; empty if there is an error.
        error: reason why the image can't be read.
        labels: the same of each further label as of `cultures`, by name.
        set: the prediction set of `cultures`, most probable first; None if none was asked for.
        unlike: how unlike the training paintings it is, 0..1; None if that was not asked for.
    """

    image: str
    cultures: tuple[tuple[str, float], ...] = ()
    error: str | None = None
    labels: dict[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    set: tuple[str, ...] | None = None
    unlike: float | None = None


class Predictor:
    """Batched prediction with a classifier.

    Args:
        model: the classifier.
        reader: reader of the images.
        top: number of cultures, and of classes of each further label, per image.
        batch_size: images per batch.
        overlays: function that draws feature maps over a batch of images; None for no overlays.
        folder: output folder of the overlays.
        views: views of each image whose probabilities are averaged; None for the image of evaluation alone.
        doubt: what predictions say in addition to probabilities; None for nothing. Not together with `views`.
    """

    def __init__(
        self,
        model: InferenceModel,
        reader: ImageReader,
        top: int = 3,
        batch_size: int = 32,
        overlays: OverlayFunction | None = None,
        folder: Path = Path("overlays"),
        views: TestTimeViews | None = None,
        doubt: Doubt | None = None,
    ) -> None:
        self.model, self.reader = model, reader
        self.top, self.batch_size = min(top, len(model.classes)), batch_size
        self.columns = {output.name: min(top, len(output.classes)) for output in model.outputs}
        self.overlays, self.folder, self.views, self.doubt = overlays, folder, views, doubt
        self._used_names: set[str] = set()

    def predict(self, sources: Sequence[ImageSource]) -> Generator[Prediction, None, None]:
        """Yield one prediction per source, in order; images are read in threads, one batch ahead of the model."""
        pool = ThreadPoolExecutor(READ_THREADS)
        try:
            read = self._read_ahead(pool, sources)
            while batch := list(itertools.islice(read, self.batch_size)):
                yield from self._predict_batch(batch)
        finally:
            # After a signal, threads would wait for their servers, and then read all that is queued.
            self.reader.downloader.close()
            pool.shutdown(cancel_futures=True)

    def reserve(self, predictions: Iterable[Prediction]) -> None:
        """Keep the names of overlays that an earlier launch has written for its predictions."""
        if self.overlays is not None:
            for prediction in predictions:
                if prediction.error is None:
                    self._unique_name(prediction.image)

    def _read_ahead(
        self, pool: ThreadPoolExecutor, sources: Iterable[ImageSource]
    ) -> Iterator[tuple[ImageSource, list[Tensor] | BadImageError]]:
        # One batch is read ahead while the model runs on another, so at most two are in memory.
        remaining = iter(sources)
        pending = [(s, pool.submit(self._read, s)) for s in itertools.islice(remaining, 2 * self.batch_size)]
        while pending:
            source, read = pending.pop(0)
            pending += [(s, pool.submit(self._read, s)) for s in itertools.islice(remaining, 1)]
            yield source, read.result()

    def _read(self, source: ImageSource) -> list[Tensor] | BadImageError:
        try:
            pixels = self.reader.pixels_for(source, self.model.kinds)
            return [self.model.assemble(pixels)] if self.views is None else self.views.of(pixels[0])
        except BadImageError as error:
            return error

    def _predict_batch(self, batch: Sequence[tuple[ImageSource, list[Tensor] | BadImageError]]) -> Iterator[Prediction]:
        good = [(source, read) for source, read in batch if isinstance(read, list)]
        outputs: Iterator[tuple[NDArray[np.float32], tuple[str, ...] | None, float | None]] = iter(())
        if good:
            pictures = [views for _, views in good]
            outputs = self._outputs(pictures)
            if self.overlays is not None:
                images = torch.stack([views[0] for views in pictures])
                self._write_overlays(self.overlays, [source for source, _ in good], images)
        for source, read in batch:
            if isinstance(read, BadImageError):
                yield Prediction(source.display_name, error=str(read))
            else:
                logits, members, share = next(outputs)
                cultures, *further = self._top_classes(logits)
                names = [output.name for output in self.model.outputs[1:]]
                labels = dict(zip(names, further, strict=True))
                yield Prediction(source.display_name, cultures, labels=labels, set=members, unlike=share)

    def _outputs(
        self, pictures: Sequence[Sequence[Tensor]]
    ) -> Iterator[tuple[NDArray[np.float32], tuple[str, ...] | None, float | None]]:
        """Yield the logits of each picture's views, its prediction set and its `unlike`."""
        if self.doubt is None:
            yield from ((logits, None, None) for logits in view_logits(self.model, pictures, self.batch_size))
            return
        features, scores = self.model.features_and_logits(torch.stack([views[0] for views in pictures]))
        probabilities = self.model.calibrated(scores[:, : len(self.model.classes)])
        sets, shares = self.doubt.sets(probabilities), self.doubt.shares(features.numpy())
        yield from zip(scores.numpy()[:, None], sets, shares, strict=True)

    def _top_classes(self, logits: NDArray[np.float32]) -> Iterator[tuple[tuple[str, float], ...]]:
        """Yield the most probable classes of each label, from the logits of a picture's views."""
        start = 0
        for output, top in zip(self.model.outputs, self.columns.values(), strict=True):
            end = start + len(output.classes)
            probabilities = mean_probabilities([logits[:, start:end]], output.temperature)[0]
            order = np.argsort(-probabilities, kind="stable")[:top]
            yield tuple((output.classes[i], float(probabilities[i])) for i in order)
            start = end

    def _write_overlays(self, overlays: OverlayFunction, sources: list[ImageSource], images: Tensor) -> None:
        drawn = overlays(images)
        for source, overlay in zip(sources, drawn, strict=True):
            with replacing(self.folder / self._unique_name(source.display_name)) as temporary:
                overlay.save(temporary, format="PNG")

    def _unique_name(self, image: str) -> str:
        # Files of the same name in two folders must not overwrite each other: the second a.jpg becomes a-2.png.
        stem = Path(image.partition("?")[0].rstrip("/")).stem[:MAX_STEM_LENGTH] or "image"
        names = (f"{stem}.png" if n == 1 else f"{stem}-{n}.png" for n in itertools.count(1))
        name = next(name for name in names if name not in self._used_names)
        self._used_names.add(name)
        return name
