"""The live view of a study: its rows, their state, epoch, validation accuracy and time left."""

import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from artculture.studies.executor import RowProcess

STYLES = {
    "running": "bold cyan",
    "stopping": "yellow",
    "finished": "green",
    "failed": "bold red",
    "pruned": "dim",
    "interrupted": "yellow",
    "elsewhere": "cyan",
    "left": "cyan",
    "queued": "dim",
    "skipped": "dim",
    "waiting": "dim",
}
LINE_EVERY_SECONDS = 30.0


def clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class StudyView:
    """A table that keeps itself up to date on a terminal; elsewhere a line at every change of state."""

    def __init__(self, console: Console, title: str, rows: Sequence[RowProcess]) -> None:
        self.console, self.title, self.rows = console, title, rows
        self.began = time.monotonic()
        self._said: dict[int, tuple[str, str]] = {}
        self._said_at = self.began
        self._live = Live(console=console, refresh_per_second=2, transient=True) if console.is_terminal else None

    def __enter__(self) -> "StudyView":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.update()
        if self._live:
            self._live.stop()

    def update(self) -> None:
        if self._live:
            self._live.update(self._rendered())
        else:
            self._say_changes()

    def _rendered(self) -> RenderableType:
        table = Table(title=self.title, title_justify="left", header_style="bold", box=None, padding=(0, 2, 0, 0))
        for header, justify in (("", "right"), ("run", "left"), ("state", "left"), ("epoch", "right")):
            table.add_column(header, justify=justify)  # type: ignore[arg-type]
        table.add_column("val top-1", justify="right")
        table.add_column("left", justify="right")
        for number, row in enumerate(self.rows, 1):
            epoch, accuracy, left = _progress(row)
            state = Text(row.shown + (f" ({row.place})" if row.place else ""), style=STYLES[row.shown])
            table.add_row(str(number), row.row.name, state, epoch, accuracy, left)
        return Group(table, Text(f"{clock(time.monotonic() - self.began)} so far", style="dim"))

    def _say_changes(self) -> None:
        now = time.monotonic()
        also_running = now - self._said_at > LINE_EVERY_SECONDS
        for number, row in enumerate(self.rows):
            state, last = self._said.get(number, ("", ""))
            changed = state != row.shown
            if row.state == "waiting" or not (changed or (also_running and row.state == "running")):
                continue
            epoch, accuracy, left = _progress(row)
            facts = [
                f"epoch {epoch}" if epoch else "",
                f"val top-1 {accuracy}" if accuracy else "",
                f"{left} left" if left and row.state == "running" else "",
                row.error,
            ]
            what = ", ".join(fact for fact in facts if fact)
            line = f"[{number + 1}/{len(self.rows)}] {row.row.name}: {row.shown}{': ' + what if what else ''}"
            self._said[number], self._said_at = (row.shown, line), now
            if line != last:
                self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _progress(row: RowProcess) -> tuple[str, str, str]:
    if row.state in ("waiting", "queued"):
        return "", "", ""
    status = row.row.directory.status()
    epoch = f"{status['epoch']}/{status['max_epochs']}" if "epoch" in status else ""
    accuracy = f"{100 * status['val_top1']:.1f} %" if "val_top1" in status else ""
    left = clock(status.get("seconds_left")) if row.state == "running" else ""
    return epoch, accuracy, left
