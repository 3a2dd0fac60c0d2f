"""Progress on stderr: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
LINE_EVERY = 10.0  # seconds between two plain lines


@contextmanager
def shown_progress(what: str) -> Iterator[Progress]:
    """Yield a function to be called with (done, total); the bar disappears when all is done. Logs get none of it."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from artculture.utils.console import PlainConsole

    console = PlainConsole(stderr=True)
    if not console.is_terminal:  # a bar would end in an empty line
        yield lambda *_: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=done < total)


@contextmanager
def shown_rate(what: str, total: int, start: int = 0) -> Iterator[Callable[[int], None]]:
    """Show how many are done, their rate and the time left.

    Args:
        what: is counted.
        total: number of all.
        start: how many were done before, which do not count for the rate.

    Yields:
        A function to be called with the number of those that are done.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    from artculture.utils.console import PlainConsole

    console = PlainConsole(stderr=True)
    began = printed = time.monotonic()

    def line(done: int) -> None:
        nonlocal printed
        now = time.monotonic()
        if now - printed > LINE_EVERY:
            printed = now
            sys.stderr.write(f"{what}: {done} of {total} ({rate_text(done - start, total - start, now - began)})\n")

    if not console.is_terminal:
        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total, completed=start, rate="")

        def move(done: int) -> None:
            rate = rate_text(done - start, total - start, time.monotonic() - began)
            bar.update(task, completed=done, rate=rate)

        yield move


def rate_text(done: float, total: float | None, elapsed: float) -> str:
    """Return `12.3/s, 4 min left`, as far as known; `elapsed` in seconds."""
    rate = done / elapsed if elapsed > 0 else 0.0
    if rate == 0 or total is None:
        return f"{rate:.1f}/s"
    return f"{rate:.1f}/s, {_span((total - done) / rate)} left"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
