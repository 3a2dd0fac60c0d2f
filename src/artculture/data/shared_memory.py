"""Shared memory through which loader processes hand over their batches (`/dev/shm`; 64 MB in a plain container)."""

import shutil
from pathlib import Path

FOLDER = Path("/dev/shm")
# Batches that a loader process makes ahead (torch's default), and the share of the free memory that they may take.
PREFETCHED, SHARE = 2, 0.8


def free_bytes() -> int | None:
    """Return the free shared memory in bytes; None where the platform has no such folder."""
    return shutil.disk_usage(FOLDER).free if FOLDER.is_dir() else None


def processes_that_fit(wanted: int, batch: int, ranks: int = 1) -> int:
    """Return how many loader processes, up to a wanted number, have room for their batches in shared memory.

    Args:
        wanted: number of processes.
        batch: bytes of the largest batch.
        ranks: number of training processes on this machine, which share the memory.
    """
    free = free_bytes()
    if free is None or wanted == 0:
        return wanted
    batches = int(SHARE * free / ranks) // max(1, batch)
    return max(0, min(wanted, (batches - 1) // PREFETCHED))  # one more batch is in use
