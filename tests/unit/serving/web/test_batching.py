import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from artculture.serving.web.batching import Batcher


def batched(ask, work, size=4, expected=lambda: 10, window=0.01):
    sizes = []

    async def main():
        with ThreadPoolExecutor(1) as executor:
            return await ask(Batcher(work, executor, size, window, expected, sizes.append))

    return asyncio.run(main()), sizes


def doubled(items):
    return [2 * item for item in items]


def test_what_arrives_together_is_computed_together():
    async def ask(batcher):
        return await asyncio.gather(*map(batcher.submit, range(6)))

    assert batched(ask, doubled) == ([0, 2, 4, 6, 8, 10], [4, 2])


def test_a_single_item_does_not_wait_for_others():
    async def ask(batcher):
        return await asyncio.wait_for(batcher.submit(1), 5)

    assert batched(ask, doubled, expected=lambda: 1, window=1000) == (2, [1])


def test_an_error_is_of_its_item_alone():
    def work(items):
        if 1 in items:
            raise ValueError("one")
        return doubled(items)

    async def ask(batcher):
        failed, *others = await asyncio.gather(*map(batcher.submit, range(1, 4)), return_exceptions=True)
        return [type(failed), *others], await batcher.submit(4)

    assert batched(ask, work)[0] == ([ValueError, 4, 6], 8)


def test_what_nobody_waits_for_any_more_is_not_computed():
    free, seen = threading.Event(), []

    def work(items):
        seen.extend(items)
        free.wait(10)
        return doubled(items)

    async def ask(batcher):
        first = asyncio.create_task(batcher.submit(1))
        while not seen:
            await asyncio.sleep(0.001)
        second, third = (asyncio.create_task(batcher.submit(item)) for item in (2, 3))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        free.set()
        with pytest.raises(asyncio.CancelledError):
            await second
        return await first, await third

    assert batched(ask, work, size=1, expected=lambda: 1)[0] == (2, 6)
    assert seen == [1, 3]
