"""Progress display of a study: state, epoch, validation accuracy and remaining time of each run."""

import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from artculture.studies.executor import RunProcess

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
    """Format seconds as `h:mm:ss` or `m:ss`; empty for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class StudyView:
    """Live table on a terminal; otherwise one line per change of state."""

    def __init__(self, console: Console, title: str, processes: Sequence[RunProcess]) -> None:
        self.console, self.title, self.processes = console, title, processes
        self.began = time.monotonic()
        self._printed: dict[int, tuple[str, str]] = {}
        self._printed_at = self.began
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
            self._print_changes()

    def _rendered(self) -> RenderableType:
        table = Table(title=self.title, title_justify="left", header_style="bold", box=None, padding=(0, 2, 0, 0))
        for header, justify in (("", "right"), ("run", "left"), ("state", "left"), ("epoch", "right")):
            table.add_column(header, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        table.add_column("val top-1", justify="right", no_wrap=True)
        table.add_column("left", justify="right", no_wrap=True)
        for number, process in enumerate(self.processes, 1):
            epoch, accuracy, left = _progress(process)
            state = Text(
                process.shown + (f" ({process.location})" if process.location else ""), style=STYLES[process.shown]
            )
            table.add_row(str(number), process.run.name, state, epoch, accuracy, left)
        return Group(table, Text(f"{clock(time.monotonic() - self.began)} so far", style="dim"))

    def _print_changes(self) -> None:
        now = time.monotonic()
        also_running = now - self._printed_at > LINE_EVERY_SECONDS
        for number, process in enumerate(self.processes):
            state, last = self._printed.get(number, ("", ""))
            changed = state != process.shown
            if process.state == "waiting" or not (changed or (also_running and process.state == "running")):
                continue
            epoch, accuracy, left = _progress(process)
            facts = [
                f"epoch {epoch}" if epoch else "",
                f"val top-1 {accuracy}" if accuracy else "",
                f"{left} left" if left and process.state == "running" else "",
                process.error,
            ]
            what = ", ".join(fact for fact in facts if fact)
            line = (
                f"[{number + 1}/{len(self.processes)}] {process.run.name}: {process.shown}{': ' + what if what else ''}"
            )
            self._printed[number], self._printed_at = (process.shown, line), now
            if line != last:
                self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _progress(process: RunProcess) -> tuple[str, str, str]:
    if process.state in ("waiting", "queued"):
        return "", "", ""
    status = process.run.directory.status()
    epoch = f"{status['epoch']}/{status['max_epochs']}" if "epoch" in status else ""
    accuracy = f"{100 * status['val_top1']:.1f} %" if "val_top1" in status else ""
    left = clock(status.get("seconds_left")) if process.state == "running" else ""
    return epoch, accuracy, left
