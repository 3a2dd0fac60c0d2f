"""Adaptive rate limit of one host: starts low, rises with successes, falls with refusals.

A fixed leaky bucket (such as aiolimiter's) would need the limit that the host enforces, which museums do not publish.
"""

import asyncio
import math
import random
import time

# Requests leave a little further apart than the limit asks, because network jitter may bring them closer together.
MARGIN = 1.1
SLOWEST = 0.2  # requests per second
LONGEST_PAUSE = 60.0  # seconds


class RateLimiter:
    """Rate limiter that gives out the times at which requests may leave.

    A single refusal slows down a little. Several without a success in between halve the rate and pause all
    requests (with jitter, longer each time); after that, the rate rises more slowly near the value that was refused.

    Args:
        ceiling: requests per second that are never exceeded.
        start: requests per second at the beginning; up to this value the rate recovers quickly.
    """

    def __init__(self, ceiling: float, start: float) -> None:
        self.ceiling = ceiling
        self.start = min(start, ceiling)
        self.rate = self.start
        self.refused_since: float | None = None
        self._refused_rate = math.inf
        self._consecutive_refusals = 0
        self._slowed_at = -math.inf
        self._next = 0.0
        self._lock = asyncio.Lock()

    async def acquire(self) -> float:
        """Wait for the next free time slot; return its monotonic time, which `record_refusal` takes."""
        async with self._lock:
            while (wait := self._next - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            now = time.monotonic()
            self._next = max(self._next + MARGIN / self.rate, now)
            return now

    def record_success(self) -> None:
        """Raise the rate."""
        self._consecutive_refusals = 0
        self.refused_since = None
        if self.rate < self.start:
            growth = 1.2
        elif self.rate < 0.8 * self._refused_rate:
            growth = 1.01
        else:
            # Close to the rate that was refused before: approach it slowly.
            growth = 1.001
            self._refused_rate *= 1.001
        self.rate = min(self.ceiling, self.rate * growth)

    def reset(self) -> None:
        """Forget past refusals, which concerned single resources and not the client."""
        self._consecutive_refusals = 0
        self.refused_since = None
        self._refused_rate = math.inf
        self.rate = max(self.rate, self.start)
        self._next = min(self._next, time.monotonic())

    def record_refusal(self, started: float, wait: float = 0.0) -> None:
        """Slow down after a refusal (403, 429, 503, a web page instead of data).

        Args:
            started: when the refused request left. Requests from before the last slow-down carry no new information.
            wait: seconds that the server asked for.
        """
        now = time.monotonic()
        self._next = max(self._next, now + wait)
        if started <= self._slowed_at:
            return
        self._slowed_at = now
        self._consecutive_refusals += 1
        self.refused_since = self.refused_since or now
        if self._consecutive_refusals < 3:
            self.rate = max(SLOWEST, self.rate * (0.9 if self._consecutive_refusals == 1 else 0.8))
            return
        self._refused_rate = min(self._refused_rate, self.rate)
        self.rate = max(SLOWEST, self.rate / 2)
        pause = min(LONGEST_PAUSE, 2.0 ** (self._consecutive_refusals - 2))
        self._next = max(self._next, now + random.uniform(0.5, 1) * pause)
