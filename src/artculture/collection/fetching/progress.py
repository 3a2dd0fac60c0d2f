"""Progress of several concurrent tasks: live bars on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from artculture.utils.console import PlainConsole
from artculture.utils.progress import LINE_EVERY, rate_text


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(rate_text(task.completed, task.total, task.elapsed or 0.0))


class ProgressTask:
    """One task of a `FetchProgress`; its length may grow while it runs."""

    def __init__(self, progress: "FetchProgress", name: str) -> None:
        self._progress = progress
        self._name = name
        self._done = 0
        self._total: int | None = None
        self._started_at = time.monotonic()
        self._printed_at = self._started_at
        self._bar: TaskID | None = progress.bars.add_task(name, total=None) if progress.bars else None

    def expect(self, more: int) -> None:
        """Add to the total."""
        self._total = (self._total or 0) + more
        if self._progress.bars and self._bar is not None:
            self._progress.bars.update(self._bar, total=self._total)

    def advance(self, by: int = 1) -> None:
        """Count finished items."""
        self._done += by
        if self._progress.bars and self._bar is not None:
            self._progress.bars.advance(self._bar, by)
        elif time.monotonic() - self._printed_at > LINE_EVERY:
            self._printed_at = time.monotonic()
            rate = rate_text(self._done, self._total, self._printed_at - self._started_at)
            self._progress.note(f"{self._name}: {self._done} of {self._total or '?'} ({rate})")


class FetchProgress:
    """Progress display of several museums."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or PlainConsole(stderr=True)
        self.bars: Progress | None = None
        if self._console.is_terminal:
            self.bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                _Rate(),
                console=self._console,
            )

    def __enter__(self) -> Self:
        if self.bars:
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bars:
            self.bars.stop()

    def add_task(self, name: str) -> ProgressTask:
        """Add a task of unknown length."""
        return ProgressTask(self, name)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        # No wrapping, so that one message is one line of a log file.
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
