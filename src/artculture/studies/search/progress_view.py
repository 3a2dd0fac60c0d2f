"""Progress display of a search: running trials and the best one so far; one line per trial without a terminal."""

import time

from optuna.trial import TrialState
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from artculture.studies.progress_view import clock
from artculture.studies.search.outcome import values_of
from artculture.studies.search.store import TrialStore, best_trial, counted
from artculture.studies.search.trials import RunningTrial, Trials

REFRESH_SECONDS = 1.0


class SearchView:
    """Display of the trials of all processes of a search, read from the store."""

    def __init__(self, console: Console, store: TrialStore, trials: int) -> None:
        self.console, self.store, self.total = console, store, trials
        self._began = time.monotonic()
        self._updated_at = 0.0
        self._live = Live(console=console, refresh_per_second=2, transient=True) if console.is_terminal else None

    def __enter__(self) -> "SearchView":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def update(self, trials: Trials) -> None:
        if self._live and time.monotonic() - self._updated_at > REFRESH_SECONDS:
            self._updated_at = time.monotonic()
            self._live.update(self._rendered(trials))

    def print_ended(self, one: RunningTrial) -> None:
        """Print one line about a trial that has ended."""
        trials = self.store.trials()
        trial, best = trials[one.trial.number], best_trial(trials)
        what = f"{one.process.state}: {one.process.error}"
        if trial.state == TrialState.COMPLETE:
            what = f"val top-1 {100 * (trial.value or 0):.2f} %"
        facts = [what, _shown(values_of(trial, self.store.space))]
        if best is not None:
            facts.append(f"best {100 * (best.value or 0):.2f} % (trial {best.number})")
        line = f"trial {one.trial.number} ({self._done()} of {self.total}): {'; '.join(facts)}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _done(self) -> int:
        return sum(trial.state.is_finished() for trial in counted(self.store.trials()))

    def _rendered(self, trials: Trials) -> RenderableType:
        table = Table(title=self.store.name, title_justify="left", header_style="bold", box=None, padding=(0, 2, 0, 0))
        for heading, justify in (("trial", "right"), ("values", "left"), ("epoch", "right"), ("val top-1", "right")):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type]
        for one in trials.running:
            status = one.process.run.directory.status()
            epoch = f"{status['epoch']}/{status['max_epochs']}" if "epoch" in status else ""
            accuracy = f"{100 * status['val_top1']:.1f} %" if "val_top1" in status else ""
            table.add_row(str(one.trial.number), _shown(one.values), epoch, accuracy)
        so_far = f"{self._done()} of {self.total} trials, {clock(time.monotonic() - self._began)} so far"
        return Group(table, Text(so_far, style="dim"))


def _shown(values: dict[str, object]) -> str:
    words = {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in values.items()}
    return " ".join(f"{key.rpartition('.')[2]}={word}" for key, word in words.items())
