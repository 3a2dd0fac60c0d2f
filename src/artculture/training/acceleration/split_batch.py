"""Batches that do not fit into memory: worked through in parts that do."""

import gc
import logging

import torch

from artculture.utils.errors import WorkError

log = logging.getLogger(__name__)

# What torch's allocators say on a CPU; a GPU's has an exception of its own.
CPU_SAYS = ("not enough memory", "can't allocate memory", "cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in CPU_SAYS)


def free_memory() -> None:
    """Return memory that is not used any more to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class Parts:
    """How many pictures at once a network can take; starts without a limit.

    Args:
        what: of the batches, for messages.
        mend: what the user can do where nothing helps.

    Attributes:
        largest: pictures at once, None for whole batches.
    """

    def __init__(self, what: str, mend: str) -> None:
        self.what, self.mend = what, mend
        self.largest: int | None = None

    def sizes(self, n: int) -> list[int]:
        """Lengths of the parts of a batch of n, nearly even; never one alone, which BatchNorm can't normalise."""
        if self.largest is None or n <= self.largest:
            return [n]
        count = max(1, min(-(-n // self.largest), n // 2))
        return [n // count + (index < n % count) for index in range(count)]

    def halve(self, n: int, reason: str, *, allowed: bool) -> None:
        """Take half as many pictures at once, after a batch of n did not fit.

        Raises:
            WorkError: not allowed, or there is nothing left to halve.
        """
        now = max(self.sizes(n))
        if not allowed or now <= 3:
            raise WorkError(f"out of memory with {now} {self.what} pictures at once ({reason}): {self.mend}")
        self.largest = -(-now // 2)
        log.warning(
            "OUT OF MEMORY with %d %s pictures at once (%s): from here on %d at once, gradients accumulated to the "
            "same batch; only BatchNorm sees the smaller parts",
            now,
            self.what,
            reason,
            self.largest,
        )
        free_memory()
