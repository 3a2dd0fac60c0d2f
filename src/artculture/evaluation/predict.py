"""Prediction of the most probable cultures of images, batch by batch; unreadable images are reported and skipped."""

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from artculture.data.decoding import BadImageError
from artculture.data.transforms import eval_transform
from artculture.evaluation.calibration import softmax
from artculture.evaluation.forward import Forward, forward_on
from artculture.evaluation.image_sources import ImageReader, ImageSource
from artculture.models.classifier import CultureClassifier
from artculture.models.finite import check_predictions_finite
from artculture.utils.io import replacing

# Threads that decode or download; more than the cores, because downloads mostly wait.
READ_THREADS = 8
# Characters of an overlay's stem: file systems allow 255 bytes per name, and UTF-8 takes up to 4 per character.
MAX_STEM_LENGTH = 50

OverlayFunction = Callable[[CultureClassifier, Tensor], Sequence[Image.Image]]


@dataclass(frozen=True)
class Prediction:
    """Prediction for one image.

    Attributes:
        image: path or URL.
        cultures: (name, calibrated probability), most probable first; empty if there is an error.
        error: reason why the image can't be read.
    """

    image: str
    cultures: tuple[tuple[str, float], ...] = ()
    error: str | None = None


class Predictor:
    """Batched prediction with a classifier.

    Args:
        classifier: in eval mode.
        reader: reader of the images.
        top: number of cultures per image.
        batch_size: images per batch.
        device: `auto`, `cpu` or `gpu`.
        overlays: function that draws feature maps over a batch of images; None for no overlays.
        folder: output folder of the overlays.
    """

    def __init__(
        self,
        classifier: CultureClassifier,
        reader: ImageReader,
        top: int = 3,
        batch_size: int = 32,
        device: str = "auto",
        overlays: OverlayFunction | None = None,
        folder: Path = Path("overlays"),
    ) -> None:
        self.classifier, self.reader, self.device = classifier, reader, device
        self.top, self.batch_size = min(top, len(classifier.classes)), batch_size
        self.overlays, self.folder = overlays, folder
        self._transform = eval_transform(reader.preprocessing)
        self._used_names: set[str] = set()

    def predict(self, sources: Sequence[ImageSource]) -> Generator[Prediction, None, None]:
        """Yield one prediction per source, in order; images are read in threads, one batch ahead of the model."""
        pool = ThreadPoolExecutor(READ_THREADS)
        try:
            with forward_on(self.classifier, self.device) as forward:
                read = self._read_ahead(pool, sources)
                while batch := list(itertools.islice(read, self.batch_size)):
                    yield from self._predict_batch(batch, forward)
        finally:
            # After a signal, threads would wait for their servers, and then read all that is queued.
            self.reader.downloader.close()
            pool.shutdown(cancel_futures=True)

    def _read_ahead(
        self, pool: ThreadPoolExecutor, sources: Iterable[ImageSource]
    ) -> Iterator[tuple[ImageSource, Tensor | BadImageError]]:
        # One batch is read ahead while the model runs on another, so at most two are in memory.
        remaining = iter(sources)
        pending = [(s, pool.submit(self._read, s)) for s in itertools.islice(remaining, 2 * self.batch_size)]
        while pending:
            source, read = pending.pop(0)
            pending += [(s, pool.submit(self._read, s)) for s in itertools.islice(remaining, 1)]
            yield source, read.result()

    def _read(self, source: ImageSource) -> Tensor | BadImageError:
        try:
            pixels = self.reader.pixels(source)
        except BadImageError as error:
            return error
        return self._transform(torch.from_numpy(np.array(pixels)).permute(2, 0, 1))

    def _predict_batch(
        self, batch: Sequence[tuple[ImageSource, Tensor | BadImageError]], forward: Forward
    ) -> Iterator[Prediction]:
        good = [(source, read) for source, read in batch if isinstance(read, Tensor)]
        probabilities: Iterator[NDArray[np.float64]] = iter(())
        if good:
            images = torch.stack([image for _, image in good])
            logits = forward(images)[1].numpy()
            check_predictions_finite(logits, "the checkpoint")
            probabilities = iter(softmax(logits, self.classifier.temperature))
            if self.overlays is not None:
                self._write_overlays(self.overlays, [source for source, _ in good], images)
        for source, read in batch:
            if isinstance(read, BadImageError):
                yield Prediction(source.display_name, error=str(read))
            else:
                yield Prediction(source.display_name, self._top_cultures(next(probabilities)))

    def _top_cultures(self, probabilities: NDArray[np.float64]) -> tuple[tuple[str, float], ...]:
        order = np.argsort(-probabilities, kind="stable")[: self.top]
        return tuple((self.classifier.classes[i], float(probabilities[i])) for i in order)

    def _write_overlays(self, overlays: OverlayFunction, sources: list[ImageSource], images: Tensor) -> None:
        drawn = overlays(self.classifier, images.to(self.classifier.device))
        for source, overlay in zip(sources, drawn, strict=True):
            with replacing(self.folder / self._unique_name(source)) as temporary:
                overlay.save(temporary, format="PNG")

    def _unique_name(self, source: ImageSource) -> str:
        # Files of the same name in two folders must not overwrite each other: the second a.jpg becomes a-2.png.
        stem = Path(source.display_name.partition("?")[0].rstrip("/")).stem[:MAX_STEM_LENGTH] or "image"
        names = (f"{stem}.png" if n == 1 else f"{stem}-{n}.png" for n in itertools.count(1))
        name = next(name for name in names if name not in self._used_names)
        self._used_names.add(name)
        return name
