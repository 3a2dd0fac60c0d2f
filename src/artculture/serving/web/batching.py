"""Pictures of several requests in one forward pass."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Gathers what waits for a function of many items.

    While the function works on one batch, the next one gathers; only the first of them waits for `window`, and only
    where others are on their way.

    Args:
        work: from items to as many results.
        executor: runs it, one batch at a time.
        size: items of a batch, at most.
        window: seconds.
        expected: number of items that are waiting or on their way.
        observe: called with the size of each batch.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        executor: Executor,
        size: int,
        window: float,
        expected: Callable[[], int],
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._work, self._executor = work, executor
        self._size, self._window, self._expected, self._observe = size, window, expected, observe
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Return the result of an item."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            if len(self._waiting) < min(self._size, self._expected()):
                await asyncio.sleep(self._window)
            while batch := self._next_batch():
                await self._answer(batch)
        finally:
            self._task = None

    def _next_batch(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        """Take the next items out of the queue, without those whose request has ended."""
        alive = [entry for entry in self._waiting if not entry[1].done()]
        batch, self._waiting = alive[: self._size], alive[self._size :]
        return batch

    async def _answer(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        self._observe(len(batch))
        items = [item for item, _ in batch]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._executor, self._work, items)
        except Exception as error:
            if len(batch) > 1:
                # Of one of them, or too many for the memory: each alone.
                for entry in batch:
                    if not entry[1].done():
                        await self._answer([entry])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
