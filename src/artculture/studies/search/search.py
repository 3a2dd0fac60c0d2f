"""A search from config to the best values."""

import logging
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from rich.console import Console

from artculture.config.composition import config_flags
from artculture.studies import run_name
from artculture.studies.executor import execute_runs
from artculture.studies.grid import PlannedRun
from artculture.studies.launchers.selection import make_launcher
from artculture.studies.search import outcome
from artculture.studies.search.config import SearchConfig
from artculture.studies.search.progress_view import SearchView
from artculture.studies.search.space import Dimension, dimensions
from artculture.studies.search.store import TrialStore, best_trial, counted
from artculture.studies.search.trials import RunningTrial, Trials, trial_run
from artculture.studies.study import prepare_runs
from artculture.training.resume import Plan
from artculture.training.run_directory import RunDirectory
from artculture.training.signals import listen_for_signals
from artculture.utils.errors import InputError, Interrupted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a search's files lie.

    Attributes:
        folder: the study's.
        name: of the search: what the row's run would be called.
    """

    folder: Path
    name: str

    @property
    def runs(self) -> Path:
        return self.folder / "trials"

    @property
    def table(self) -> Path:
        return self.runs / f"{self.name}.csv"

    @property
    def best(self) -> Path:
        return self.folder / "conf" / "tuned" / f"{self.option}.yaml"

    @property
    def option(self) -> str:
        """The name as a config option: Hydra takes no `=` in one."""
        return re.sub(r"[^\w.-]", "_", self.name)


def search(config: SearchConfig) -> int:
    """Complete the asked number of trials, write the best values.

    Returns:
        0 when all trials are done; 130 or 75 when told to stop; else 1.

    Raises:
        InputError: nothing to search, another search of this name, or a row that can't be trained.
    """
    typed = train_overrides(HydraConfig.get().overrides.task)
    space, left_out = dimensions(
        config.search.space, config.train_config(), [text.split("=")[0].lstrip("+") for text in typed]
    )
    if left_out:
        log.info("not searched: %s", ", ".join(left_out))
    if not space:
        raise InputError("nothing is left to search: give search.space some values (conf/search/optuna.yaml)")
    path, _ = run_name.locate_run(config.train_config(), dict(HydraConfig.get().runtime.choices))
    place = Place(path.parent, path.name)
    _make(place.runs)
    epochs = next((dimension.ends() for dimension in space if dimension.key == "trainer.max_epochs"), None)
    longest = max(epochs or [config.trainer.max_epochs])
    store = TrialStore(place.folder, place.name, config.search, space, longest)
    try:
        if config.resume == "never":
            store.forget()
        store.begin(config)
        prepare_runs([PlannedRun(tuple(typed), config.train_config(), RunDirectory(path), Plan("start"))])
        trials, asked = _run(config, store, space, typed, place)
        code = _finish(store, space, typed, place, trials)
        return Interrupted(asked).code if asked else code
    finally:
        store.close()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK) and os.access(folder.parent, os.W_OK)
        reason = "no permission"
    except OSError as error:
        writable, reason = False, str(error.strerror)
    if not writable:
        raise InputError(f"can't write to {folder} ({reason}): mend its permissions or name another with study.root=…")


def train_overrides(task: Sequence[str]) -> list[str]:
    """Of a search's overrides those that are its trials' too."""
    own = ("search", "resume")
    return [text for text in task if text.lstrip("+~").split("=")[0].split(".")[0].split("@")[0] not in own]


def _run(
    config: SearchConfig, store: TrialStore, space: list[Dimension], typed: list[str], place: Place
) -> tuple[Trials, str | None]:
    """The trials of this launch, and the signal that ended it, if one did."""
    console = Console(stderr=True)
    launcher = make_launcher(config)
    view = SearchView(console, store, config.search.trials)

    def on_end(one: RunningTrial) -> None:
        _write(config, store, space, place)
        view.tell(one)

    trials = Trials(
        store,
        space,
        lambda values: trial_run(typed, values, config.study.name, again=config.resume == "never"),
        at_once=launcher.capacity or config.search.trials,
        stop_at_failure=config.on_error == "stop",
        on_end=on_end,
    )
    with launcher, listen_for_signals() as listener, listener.deferred(), view:

        def advance() -> None:
            trials.stopped |= listener.received is not None
            trials.advance()
            view.update(trials)

        advance()
        _write(config, store, space, place)
        execute_runs(
            trials.processes,
            launcher=launcher,
            on_change=advance,
            stop_at_failure=False,
            listener=listener,
        )
    return trials, listener.received


def _write(config: SearchConfig, store: TrialStore, space: list[Dimension], place: Place) -> None:
    command = shlex.join(["artculture", "search", *config_flags(), *HydraConfig.get().overrides.task])
    trials = store.trials()
    best = best_trial(trials)
    outcome.write_trials(place.table, trials, space)
    if best is not None:
        outcome.write_best(place.best, best, space, command)
    if config.search.keep_checkpoints == "best":
        outcome.drop_checkpoints(place.runs, trials, best)


def _finish(store: TrialStore, space: list[Dimension], typed: list[str], place: Place, trials: Trials) -> int:
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160)
    outcome.show(console, store.study, space)
    ended = counted(store.trials())
    best = best_trial(ended)
    told = [f"\n{place.table}"]
    if best is not None:
        values = outcome.values_of(best, space)
        told.append(str(place.best))
        told.append("\nTrain with the best values, and evaluate on the test split:")
        told.append("  " + outcome.using_command(place.folder, place.option, typed, config_flags(), values))
    console.print("\n".join(told), highlight=False, soft_wrap=True, markup=False)
    return _tell_rest(store, trials)


def _tell_rest(store: TrialStore, trials: Trials) -> int:
    console = Console(stderr=True)
    bad = [one.process for one in trials.given if one.process.state in ("failed", "interrupted")]
    for process in bad:
        text = f"{process.run.name} {process.state}: {process.error} (log: {process.run.directory.log})"
        console.print(text, style="bold red", markup=False, highlight=False, soft_wrap=True)
    elsewhere = store.elsewhere()
    missing = store.search.trials - sum(trial.state.is_finished() for trial in counted(store.trials())) - elsewhere
    if elsewhere:
        console.print(f"{elsewhere} of {store.search.trials} trials are in the hands of another search")
    if bad or missing > 0:
        console.print(f"{max(missing, len(bad))} of {store.search.trials} trials to be done; the same command goes on")
    return 1 if bad or missing > 0 else 0
