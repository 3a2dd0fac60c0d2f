"""From pictures to the likeliest cultures, batch by batch; what can't be read is said and left out."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from artculture.evaluation.image_sources import Reader, Source
from artculture.models.classifier import CultureClassifier
from artculture.models.finite import check_predictions_finite
from artculture.utils.io import replacing

# Threads that decode or download: waiting for a server takes no core.
READERS = 8
# Characters of an overlay's name: a file system takes 255 bytes, and more is added to it.
LONGEST_NAME = 50

Overlays = Callable[[CultureClassifier, Tensor], Sequence[Image.Image]]


@dataclass(frozen=True)
class Prediction:
    """What is said of one picture.

    Attributes:
        image: path or address.
        cultures: (name, calibrated probability), likeliest first; empty where there is an error.
        error: why the picture can't be read.
    """

    image: str
    cultures: tuple[tuple[str, float], ...] = ()
    error: str | None = None


class Predictor:
    """A classifier that is asked about pictures.

    Args:
        classifier: in eval mode.
        reader: how pictures are read.
        top: how many cultures a picture.
        batch_size: pictures at a time.
        device: `auto`, `cpu` or `gpu`.
        overlays: makes a picture's feature map laid over it; None makes none.
        folder: where overlays go.
    """

    def __init__(
        self,
        classifier: CultureClassifier,
        reader: Reader,
        top: int = 3,
        batch_size: int = 32,
        device: str = "auto",
        overlays: Overlays | None = None,
        folder: Path = Path("overlays"),
    ) -> None:
        self.classifier, self.reader, self.device = classifier, reader, device
        self.top, self.batch_size = min(top, len(classifier.classes)), batch_size
        self.overlays, self.folder = overlays, folder
        self._crop = eval_transform(reader.preprocessing)
        self._taken: set[str] = set()

    def predict(self, sources: Sequence[Source]) -> Iterator[Prediction]:
        """A prediction a source, in their order, a batch at a time."""
        with ThreadPoolExecutor(READERS) as pool, forward_on(self.classifier, self.device) as forward:
            read = self._read_ahead(pool, sources)
            while some := list(itertools.islice(read, self.batch_size)):
                yield from self._batch(some, forward)

    def _read_ahead(
        self, pool: ThreadPoolExecutor, sources: Iterable[Source]
    ) -> Iterator[tuple[Source, Tensor | BadImageError]]:
        # The next batch is read while this one is looked at; no more than two are in memory.
        waiting = iter(sources)
        begun = [(s, pool.submit(self._read, s)) for s in itertools.islice(waiting, 2 * self.batch_size)]
        while begun:
            source, read = begun.pop(0)
            begun += [(s, pool.submit(self._read, s)) for s in itertools.islice(waiting, 1)]
            yield source, read.result()

    def _read(self, source: Source) -> Tensor | BadImageError:
        try:
            pixels = self.reader.pixels(source)
        except BadImageError as error:
            return error
        return self._crop(torch.from_numpy(np.array(pixels)).permute(2, 0, 1))

    def _batch(self, some: Sequence[tuple[Source, Tensor | BadImageError]], forward: Forward) -> Iterator[Prediction]:
        good = [(source, read) for source, read in some if isinstance(read, Tensor)]
        shares: Iterator[NDArray[np.float64]] = iter(())
        if good:
            pictures = torch.stack([picture for _, picture in good])
            logits = forward(pictures)[1].numpy()
            check_predictions_finite(logits, "the checkpoint")
            shares = iter(softmax(logits, self.classifier.temperature))
            if self.overlays is not None:
                self._write_overlays(self.overlays, [source for source, _ in good], pictures)
        for source, read in some:
            if isinstance(read, BadImageError):
                yield Prediction(source.shown, error=str(read))
            else:
                yield Prediction(source.shown, self._likeliest(next(shares)))

    def _likeliest(self, shares: NDArray[np.float64]) -> tuple[tuple[str, float], ...]:
        order = np.argsort(-shares, kind="stable")[: self.top]
        return tuple((self.classifier.classes[i], float(shares[i])) for i in order)

    def _write_overlays(self, overlays: Overlays, sources: list[Source], pictures: Tensor) -> None:
        made = overlays(self.classifier, pictures.to(self.classifier.device))
        for source, overlay in zip(sources, made, strict=True):
            with replacing(self.folder / self._free_name(source)) as temporary:
                overlay.save(temporary, format="PNG")

    def _free_name(self, source: Source) -> str:
        # Two folders' a.jpg: the second is a-2.png.
        stem = Path(source.shown.partition("?")[0].rstrip("/")).stem[:LONGEST_NAME] or "picture"
        names = (f"{stem}.png" if n == 1 else f"{stem}-{n}.png" for n in itertools.count(1))
        name = next(name for name in names if name not in self._taken)
        self._taken.add(name)
        return name
