"""Predictions for requests: decoding in threads, models in one thread, both within limits."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.config.schema.checkpoint_commands import ServeConfig
from artculture.data.transforms import Preprocessing
from artculture.serving.web.answers import Details, Prediction, SaliencyMap
from artculture.serving.web.batching import Batcher
from artculture.serving.web.errors import RequestError, busy
from artculture.serving.web.metrics import Metrics
from artculture.serving.web.pictures import decode, preview
from artculture.serving.web.served_model import Outcome, ServedModel
from artculture.utils import hardware
from artculture.utils.errors import InputError

Result = TypeVar("Result")

# A picture takes up to 1 GiB while it is decoded, the large ones one at a time.
DECODERS = 4


class PredictionService:
    """Predictions of all models for the pictures of requests.

    Args:
        models: the models.
        config: limits, batches and what is asked of the models.
    """

    def __init__(self, models: Sequence[ServedModel], config: ServeConfig) -> None:
        self.models, self.config, self.limits = models, config, config.limits
        self.waiting = 0
        self.metrics = Metrics(lambda: self.waiting)
        self._decoders = ThreadPoolExecutor(min(DECODERS, hardware.cores() + 1), "decoder")
        # One thread, because a network with the hooks of a saliency map must not run twice at once.
        self._runner = ThreadPoolExecutor(1, "model", initializer=self._set_threads)
        self._batchers = [self._batcher(model) for model in models]
        self._kinds = tuple(dict.fromkeys(kind for model in models for kind in model.model.kinds))

    def warm_up(self) -> None:
        """Predict and explain a blank picture, so that the first request does not wait for imports and compilation.

        Raises:
            WorkError: a model gives no finite probabilities.
        """
        for model in self.models:
            blank = [np.full((kind.resize, kind.resize, 3), 255, dtype=np.uint8) for kind in model.model.kinds]
            picture = model.model.assemble(blank)
            shown = np.full((model.shown_kind.resize, model.shown_kind.resize, 3), 255, dtype=np.uint8)
            self._runner.submit(model.outcomes, [picture]).result()
            with suppress(InputError):  # no maps
                self._runner.submit(model.maps, picture, shown, 0).result()

    def close(self) -> None:
        """End the threads."""
        self._decoders.shutdown(cancel_futures=True)
        self._runner.shutdown(cancel_futures=True)

    @contextmanager
    def accepted(self, pictures: int) -> Iterator[None]:
        """Accept pictures, which count as waiting inside the `with` block.

        Raises:
            RequestError: 503, too many are waiting.
        """
        if self.waiting + pictures > self.limits.waiting:
            raise busy(f"{self.waiting} pictures are waiting; try again in a moment")
        self.waiting += pictures
        try:
            yield
        finally:
            self.waiting -= pictures

    async def predict(self, content: bytes, *, details: bool = False) -> Prediction:
        """Return the predictions of all models for an accepted picture.

        Raises:
            RequestError: the picture can't be read.
            WorkError: a model gives no finite probabilities.
        """
        shown = tuple(dict.fromkeys(model.shown_kind for model in self.models)) if details else ()
        kinds = tuple(dict.fromkeys((*self._kinds, *shown)))
        found = await self._decode(lambda: decode(content, kinds, self.limits.megapixels))
        pixels = dict(zip(kinds, found, strict=True))
        pictures = [model.model.assemble([pixels[kind] for kind in model.model.kinds]) for model in self.models]
        outcomes = await asyncio.gather(
            *(batcher.submit(picture) for batcher, picture in zip(self._batchers, pictures, strict=True))
        )
        served = list(zip(self.models, outcomes, strict=True))
        answers = [model.answer(outcome, self.config.top) for model, outcome in served]
        if not details:
            return Prediction(models=answers, preview=None)
        for (model, outcome), picture, answer in zip(served, pictures, answers, strict=True):
            answer.details = await self._details(model, outcome, picture, pixels)
        return Prediction(models=answers, preview=await self._decode(lambda: preview(content)))

    async def _details(
        self, model: ServedModel, outcome: Outcome, picture: Tensor, pixels: dict[Preprocessing, NDArray[np.uint8]]
    ) -> Details:
        best = int(outcome.probabilities[0].argmax())
        missing, maps = None, list[SaliencyMap]()
        try:
            maps = await self._run(lambda: model.maps(picture, pixels[model.shown_kind], best))
        except InputError as error:
            missing = str(error)
        similar = await self._run(lambda: model.similar(outcome, self.config.neighbours))
        return Details(maps=maps, maps_missing=missing, similar=similar)

    def _batcher(self, model: ServedModel) -> Batcher[Tensor, Outcome]:
        size, window = self.config.batch_size, self.config.window
        return Batcher(model.outcomes, self._runner, size, window, lambda: self.waiting, self.metrics.batch.observe)

    async def _decode(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._decoders, work)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._runner, work)

    def _set_threads(self) -> None:
        if self.config.threads is not None:
            torch.set_num_threads(self.config.threads)


async def within(seconds: float, work: Awaitable[Result], sentence: str) -> Result:
    """Return the result of some work.

    Raises:
        RequestError: it takes longer.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            return await work
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise RequestError(504, sentence) from error
