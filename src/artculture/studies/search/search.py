"""Hyperparameter search, from the config to the best values."""

import logging
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from artculture.config.composition import config_flags
from artculture.studies import run_name
from artculture.studies.executor import execute_runs
from artculture.studies.grid import PlannedRun
from artculture.studies.launchers.selection import make_launcher
from artculture.studies.search import outcome
from artculture.studies.search.config import SearchConfig, train_overrides
from artculture.studies.search.progress_view import SearchView
from artculture.studies.search.space import Dimension, dimensions
from artculture.studies.search.store import TrialStore, best_trial, counted
from artculture.studies.search.trials import RunningTrial, Trials, trial_run
from artculture.studies.study import prepare_runs
from artculture.training.resume import Plan
from artculture.training.run_directory import RunDirectory
from artculture.training.signals import listen_for_signals
from artculture.utils.console import PlainConsole
from artculture.utils.errors import InputError, Interrupted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchPaths:
    """Paths of the files of a search.

    Attributes:
        folder: the study directory.
        name: name of the search: that of the run whose values are searched.
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
        """The name as a config option, without `=`, which Hydra does not accept."""
        return re.sub(r"[^\w.-]", "_", self.name)


def search(config: SearchConfig) -> int:
    """Complete `search.trials` trials and write the best values.

    Returns:
        0 if all trials are done; 130 or 75 if stopped by a signal; 1 otherwise.

    Raises:
        InputError: the space is empty, the store has another search of this name, or the run can't be trained.
    """
    typed = train_overrides(HydraConfig.get().overrides.task)
    space, left_out = dimensions(
        config.search.space, config.train_config(), [text.split("=")[0].lstrip("+") for text in typed]
    )
    if left_out:
        log.info("not searched: %s", ", ".join(left_out))
    if not space:
        raise InputError("the search space is empty: add values to search.space (conf/search/optuna.yaml)")
    path, _ = run_name.locate_run(config.train_config(), dict(HydraConfig.get().runtime.choices))
    paths = SearchPaths(path.parent, path.name)
    _make(paths.runs)
    epochs = next((dimension.ends() for dimension in space if dimension.key == "trainer.max_epochs"), None)
    longest = max(epochs or [config.trainer.max_epochs])
    store = TrialStore(paths.folder, paths.name, config.search, space, longest)
    try:
        if config.resume == "never":
            store.forget()
        store.begin(config)
        prepare_runs([PlannedRun(tuple(typed), config.train_config(), RunDirectory(path), Plan("start"))])
        trials, signal_name = _run(config, store, space, typed, paths)
        code = _finish(store, space, typed, paths, trials)
        return Interrupted(signal_name).code if signal_name else code
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
        raise InputError(f"can't write to {folder} ({reason}): fix its permissions or choose another with study.root=…")


def _run(
    config: SearchConfig, store: TrialStore, space: list[Dimension], typed: list[str], paths: SearchPaths
) -> tuple[Trials, str | None]:
    """Execute trials; return them and the name of the stop signal, if one was received."""
    console = PlainConsole(stderr=True)
    launcher = make_launcher(config)
    view = SearchView(console, store, config.search.trials)

    def on_end(one: RunningTrial) -> None:
        _write(config, store, space, paths)
        view.print_ended(one)

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
        _write(config, store, space, paths)
        execute_runs(
            trials.processes,
            launcher=launcher,
            on_change=advance,
            stop_at_failure=False,
            listener=listener,
        )
    return trials, listener.received


def _write(config: SearchConfig, store: TrialStore, space: list[Dimension], paths: SearchPaths) -> None:
    command = shlex.join(["artculture", "search", *config_flags(), *HydraConfig.get().overrides.task])
    trials = store.trials()
    best = best_trial(trials)
    outcome.write_trials(paths.table, trials, space)
    if best is not None:
        outcome.write_best(paths.best, best, space, command)
    if config.search.keep_checkpoints == "best":
        outcome.drop_checkpoints(paths.runs, trials, best)


def _finish(store: TrialStore, space: list[Dimension], typed: list[str], paths: SearchPaths, trials: Trials) -> int:
    console = PlainConsole(file=sys.stdout, width=None if sys.stdout.isatty() else 160)
    outcome.show(console, store.study, space)
    ended = counted(store.trials())
    best = best_trial(ended)
    lines = [f"\n{paths.table}"]
    if best is not None:
        values = outcome.values_of(best, space)
        lines.append(str(paths.best))
        lines.append("\nTrain with the best values, and evaluate on the test split:")
        lines.append("  " + outcome.using_command(paths.folder, paths.option, typed, config_flags(), values))
    console.print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)
    return _print_unfinished(store, trials)


def _print_unfinished(store: TrialStore, trials: Trials) -> int:
    console = PlainConsole(stderr=True)
    bad = [one.process for one in trials.given if one.process.state in ("failed", "interrupted")]
    for process in bad:
        text = f"{process.run.name} {process.state}: {process.error} (log: {process.run.directory.log})"
        console.print(text, style="bold red", markup=False, highlight=False, soft_wrap=True)
    elsewhere = store.elsewhere()
    missing = store.search.trials - sum(trial.state.is_finished() for trial in counted(store.trials())) - elsewhere
    if elsewhere:
        console.print(f"{elsewhere} of {store.search.trials} trials are running in another process")
    if bad or missing > 0:
        console.print(
            f"{max(missing, len(bad))} of {store.search.trials} trials are not done; run the same command to continue"
        )
    return 1 if bad or missing > 0 else 0
