"""Read a manifest, open its cache (built where it is not there) and load one epoch; tell seconds and peak memory.

A process of its own for `memory.py`: `python -m benchmarks.speed.loading OVERRIDE …`.
"""

import json
import re
import resource
import sys
import time
from pathlib import Path

from artculture.utils.quick_imports import lean_torchmetrics

with lean_torchmetrics():  # as a command imports it
    from artculture.training.factory import make_datamodule
    from benchmarks.speed import ours

STATUS = Path("/proc/self/status")


def peak() -> float:
    """MB of memory that was resident at most."""
    if STATUS.is_file():
        # Of the process itself: `getrusage` would count what the parent held when it forked.
        found = re.search(r"VmHWM:\s+(\d+)", STATUS.read_text())
        assert found is not None
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def main() -> int:
    config = ours.composed(sys.argv[1:])
    found = {"peak at the start": peak()}
    data = make_datamodule(config)
    began = time.perf_counter()
    opened = data.paintings
    found["open"] = time.perf_counter() - began
    found["peak when opened"] = peak()
    began = time.perf_counter()
    found["pictures"] = sum(len(pictures) for pictures in ours.batches(data, 0))
    found["epoch"] = time.perf_counter() - began
    found["peak"] = peak()
    found["cache"] = opened.cache.pixels.nbytes / 2**20
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
