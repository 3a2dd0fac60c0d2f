"""How fast we may ask one host: gentle at first, faster while all goes well, slower where it refuses."""

import asyncio
import math
import random
import time

# Slots lie a little further apart than the limit asks, so that jitter on the way never makes more than that.
MARGIN = 1.1
SLOWEST = 0.2  # requests a second
LONGEST_PAUSE = 60.0  # seconds


class RateLimiter:
    """Gives out the moments at which requests may leave.

    A lone refusal slows a little; a row of them without a success between is a wall: the rate is halved,
    everybody pauses (with jitter, longer each time), and that rate is approached with more care next time.

    Args:
        ceiling: requests a second that are never passed.
        start: requests a second to begin with; it climbs back to this quickly after a wall.
    """

    def __init__(self, ceiling: float, start: float) -> None:
        self.ceiling = ceiling
        self.start = min(start, ceiling)
        self.rate = self.start
        self.refused_since: float | None = None
        self._wall = math.inf
        self._streak = 0
        self._slowed_at = -math.inf
        self._next = 0.0
        self._lock = asyncio.Lock()

    async def turn(self) -> float:
        """Wait for the next slot; gives the moment of leaving, which `refused` wants back."""
        async with self._lock:
            while (wait := self._next - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            now = time.monotonic()
            self._next = max(self._next + MARGIN / self.rate, now)
            return now

    def went_well(self) -> None:
        self._streak = 0
        self.refused_since = None
        if self.rate < self.start:
            growth = 1.2
        elif self.rate < 0.8 * self._wall:
            growth = 1.01
        else:
            growth = 1.001
            self._wall *= 1.001
        self.rate = min(self.ceiling, self.rate * growth)

    def forgive(self) -> None:
        """Forget refusals that turned out not to be meant for us."""
        self._streak = 0
        self.refused_since = None
        self._wall = math.inf
        self.rate = max(self.rate, self.start)
        self._next = min(self._next, time.monotonic())

    def refused(self, left_at: float, wait: float = 0.0) -> None:
        """Slow down after a refusal (403, 429, 503, a web page instead of data).

        Args:
            left_at: when the refused request left; what left before the last slowing says nothing new.
            wait: seconds that the server asked for.
        """
        now = time.monotonic()
        self._next = max(self._next, now + wait)
        if left_at <= self._slowed_at:
            return
        self._slowed_at = now
        self._streak += 1
        self.refused_since = self.refused_since or now
        if self._streak < 3:
            self.rate = max(SLOWEST, self.rate * (0.9 if self._streak == 1 else 0.8))
            return
        self._wall = min(self._wall, self.rate)
        self.rate = max(SLOWEST, self.rate / 2)
        self._next = max(self._next, now + random.uniform(0.5, 1) * min(LONGEST_PAUSE, 2.0 ** (self._streak - 2)))
