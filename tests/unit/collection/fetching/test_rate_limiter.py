import asyncio

import pytest

from artculture.collection.fetching import rate_limiter
from artculture.collection.fetching.rate_limiter import SLOWEST, RateLimiter


class Clock:
    """Time that passes while somebody sleeps, and a microsecond at every look."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        self.now += 1e-6
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limiter.time, "monotonic", clock.monotonic)
    monkeypatch.setattr(rate_limiter.asyncio, "sleep", clock.sleep)
    return clock


def turns(limiter: RateLimiter, number: int, well: bool = True) -> list[float]:
    async def go() -> list[float]:
        times = []
        for _ in range(number):
            times.append(await limiter.acquire())
            if well:
                limiter.record_success()
        return times

    return asyncio.run(go())


def test_no_second_holds_more_requests_than_the_ceiling(clock):
    times = turns(RateLimiter(ceiling=80, start=80), 400)
    assert max(sum(start <= t < start + 1 for t in times) for start in times) <= 80


def test_the_rate_climbs_to_the_ceiling_and_no_further(clock):
    limiter = RateLimiter(ceiling=10, start=2)
    turns(limiter, 30)
    assert 2 < limiter.rate < 3
    turns(limiter, 300)
    assert limiter.rate == 10


def test_one_refusal_slows_a_little_and_a_row_of_them_pauses_everybody(clock):
    limiter = RateLimiter(ceiling=10, start=10)
    limiter.record_refusal(turns(limiter, 1, well=False)[0])
    assert limiter.rate == pytest.approx(9)
    for _ in range(3):
        limiter.record_refusal(turns(limiter, 1, well=False)[0])
    assert limiter.rate < 2.5
    assert limiter.refused_since == pytest.approx(100, abs=0.01)
    before = clock.now
    assert turns(limiter, 1)[0] - before >= 1
    assert limiter.refused_since is None


def test_refusals_of_what_had_left_before_count_once(clock):
    limiter = RateLimiter(ceiling=10, start=10)
    for left_at in turns(limiter, 5, well=False):
        limiter.record_refusal(left_at)
    assert limiter.rate == pytest.approx(9)


def test_a_long_wall_never_slows_below_the_slowest_and_recovers_quickly(clock):
    limiter = RateLimiter(ceiling=5, start=2)
    for _ in range(20):
        limiter.record_refusal(turns(limiter, 1, well=False)[0])
    assert limiter.rate == SLOWEST
    turns(limiter, 15)
    assert limiter.rate >= 2


def test_refusals_that_were_not_meant_for_us_are_forgotten(clock):
    limiter = RateLimiter(ceiling=10, start=5)
    for _ in range(8):
        limiter.record_refusal(turns(limiter, 1, well=False)[0])
    limiter.reset()
    before = clock.now
    assert turns(limiter, 2)[-1] - before < 1
    assert (limiter.refused_since, limiter.rate >= 5) == (None, True)


def test_the_wait_that_the_server_asks_for_is_kept(clock):
    limiter = RateLimiter(ceiling=10, start=10)
    left_at = turns(limiter, 1, well=False)[0]
    limiter.record_refusal(left_at, wait=42)
    assert turns(limiter, 1)[0] >= left_at + 42
