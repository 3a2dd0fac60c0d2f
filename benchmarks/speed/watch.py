"""Run a command and watch the memory of all its processes."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from artculture.utils.errors import WorkError

REPOSITORY = Path(__file__).resolve().parents[2]
# Reading a process's proportional memory takes the kernel milliseconds: rarely enough not to slow it down.
INTERVAL = 0.5


@dataclass(frozen=True)
class Ended:
    """How a command went: seconds, peak memory of its processes together in MB (None where unknown), and its output."""

    seconds: float
    megabytes: float | None
    output: str


def run(command: Sequence[str], *, interval: float | None = INTERVAL, **environment: str) -> Ended:
    """Run a Python module with the repository's packages.

    Args:
        command: what follows `python -m`.
        interval: seconds between two looks at the memory; None for none, which slows down nothing.
        environment: variables to set.

    Raises:
        WorkError: it failed; the message ends as its output did.
    """
    paths = [str(REPOSITORY), str(REPOSITORY / "src"), os.environ.get("PYTHONPATH", "")]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **environment}
    began = time.monotonic()
    peak = 0.0
    with subprocess.Popen(
        [sys.executable, "-m", *command], env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        while True:
            try:
                output, _ = process.communicate(timeout=interval)
                break
            except subprocess.TimeoutExpired:
                peak = max(peak, sum(proportional(member) for member in tree(process.pid)))
    seconds = time.monotonic() - began
    if process.returncode:
        raise WorkError(f"`python -m {' '.join(command)}` ended with {process.returncode}:\n{output[-2000:]}")
    return Ended(seconds, peak or None, output)


def tree(pid: int) -> Iterator[int]:
    """A process and all its descendants (Linux; elsewhere the process alone)."""
    yield pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has just ended
        return
    for child in children:
        yield from tree(int(child))


def proportional(pid: int) -> float:
    """MB of memory, a page that several processes share counted in parts; 0 where it can't be known."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0
