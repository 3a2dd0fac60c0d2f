"""Trials as runs: each composed, trained in a process of its own, followed epoch by epoch, told to the store."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from optuna.trial import Trial, TrialState

from artculture.config.composition import config_flags, explained_errors, resolved
from artculture.config.schema.train import TrainConfig
from artculture.config.validation import validated
from artculture.studies import run_name
from artculture.studies.executor import OPEN, RunProcess
from artculture.studies.grid import PlannedRun, planned_run
from artculture.studies.search.space import Dimension
from artculture.studies.search.store import TrialStore
from artculture.training.run_directory import RunDirectory
from artculture.training.run_records import metrics_numbers

log = logging.getLogger(__name__)

# So many failures with nothing finished are a mistake in the row, not bad luck with a trial.
HOPELESS_FAILURES = 3


@dataclass
class RunningTrial:
    """A trial on its way.

    Attributes:
        values: what it tries, by key.
        process: its row.
        epochs: how many were followed.
        pruned: it was asked to stop, as others are better.
        reported: epochs that an earlier launch told the store.
        ended: whether its result is in the store.
    """

    trial: Trial
    values: dict[str, Any]
    process: RunProcess
    epochs: int = 0
    pruned: bool = False
    reported: frozenset[int] = frozenset()
    ended: bool = False


def trial_run(typed: Sequence[str], values: dict[str, Any], study: str, again: bool) -> PlannedRun:
    """The row of a trial: what was typed, with its values, in the folder of the study's trials.

    Args:
        typed: train's overrides.
        values: by key.
        study: the study's name.
        again: start over where there was such a run before.
    """
    overrides = [
        *typed,
        *(f"{key}={override_value(value)}" for key, value in values.items()),
        f"study.name={study}/trials",
        "trainer.evaluate_test=false",
        f"resume={'never' if again else 'auto'}",
    ]
    loader: Any = GlobalHydra.instance().config_loader()
    with explained_errors():
        composed = loader.load_configuration("train", overrides=overrides, run_mode=RunMode.RUN)
    config = validated(TrainConfig, resolved(composed))
    path, variant = run_name.locate_run(config, dict(composed.hydra.runtime.choices))
    return planned_run(config, path, [*config_flags(), *overrides], variant)


def override_value(value: Any) -> str:
    """A value as Hydra's command line takes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(override_value(item) for item in value)}]"
    return f"'{value}'" if isinstance(value, str) else repr(value)


class Trials:
    """Keeps as many trials on their way as there are places; `execute_runs` runs their processes.

    Args:
        store: gives trials and takes what came of them.
        space: what is searched.
        make_run: the row of a trial's values.
        at_once: how many trials run side by side.
        stop_at_failure: give no further trial after one failed.
        on_end: called after each trial's end.
    """

    def __init__(
        self,
        store: TrialStore,
        space: Sequence[Dimension],
        make_run: Callable[[dict[str, Any]], PlannedRun],
        *,
        at_once: int,
        stop_at_failure: bool,
        on_end: Callable[[RunningTrial], None],
    ) -> None:
        self.store, self.space, self.make_run = store, space, make_run
        self.at_once, self.stop_at_failure, self.on_end = at_once, stop_at_failure, on_end
        self.given: list[RunningTrial] = []
        # Grows while `execute_runs` goes through it.
        self.processes: list[RunProcess] = []
        self.stopped = False

    @property
    def running(self) -> list[RunningTrial]:
        return [one for one in self.given if not one.ended]

    def advance(self) -> None:
        """Follow the trials on their way, end those that are done, begin new ones."""
        for one in self.running:
            self._follow(one)
            if one.process.state not in OPEN:
                self._end(one)
        while not self.stopped and len(self.running) < self.at_once and self._begin():
            pass

    def _begin(self) -> bool:
        trial = self.store.next_trial()
        if trial is None:
            return False
        values = {dimension.key: dimension.suggest(trial) for dimension in self.space}
        run = self.make_run(values)
        trial.set_user_attr("run", run.name)
        if run.plan.action == "restart":
            run.directory.clear()  # nothing of the former run is to be followed
        # The same values were tried before: the run's directory has the answer.
        process = RunProcess(run, "finished" if run.plan.action == "skip" else "waiting")
        before = self.store.trials()[trial.number].intermediate_values
        one = RunningTrial(trial, values, process, reported=frozenset(before))
        self.given.append(one)
        self.processes.append(process)
        if process.state == "finished":
            self._follow(one)
            self._end(one)
        return True

    def _follow(self, one: RunningTrial) -> None:
        history = _history(one.process.run.directory)
        for epoch, accuracy in enumerate(history["val/top1"] if len(history) else (), 1):
            if epoch <= one.epochs:
                continue
            one.epochs = epoch
            if epoch not in one.reported:
                one.trial.report(float(accuracy), epoch)
            last = epoch >= one.process.run.config.trainer.max_epochs
            if one.process.state == "running" and not last and not one.pruned and one.trial.should_prune():
                one.pruned = True
                if one.process.started is not None:
                    one.process.started.stop()

    def _end(self, one: RunningTrial) -> None:
        process, study = one.process, self.store.study
        history = _history(process.run.directory)
        one.ended = True
        one.trial.set_user_attr("epochs", len(history))
        if process.state == "finished":
            one.trial.set_user_attr("seconds", round(float(history["seconds"].sum()), 2))
            study.tell(one.trial, best_accuracy(history, process.run.config.trainer.monitor))
        elif one.pruned or _diverged(process, history):
            # For the sampler a divergence is a bad result like any other, and worth knowing.
            why = f"given up after epoch {one.epochs}" if one.pruned else process.error
            process.state, process.error = "pruned", why
            one.trial.set_user_attr("why", why)
            study.tell(one.trial, state=TrialState.PRUNED)
            process.run.directory.set_status("pruned", error=why)
        elif process.state == "failed":
            one.trial.set_user_attr("why", process.error)
            study.tell(one.trial, state=TrialState.FAIL)
            self.stopped |= self.stop_at_failure or self._is_hopeless()
        else:  # told to stop: it stays open in the store, and the next start goes on with it
            self.stopped = True
        self.on_end(one)

    def _is_hopeless(self) -> bool:
        states = [one.process.state for one in self.given if one.ended]
        return len(states) >= HOPELESS_FAILURES and set(states) == {"failed"}


def best_accuracy(history: pd.DataFrame, monitor: str) -> float:
    """Validation top-1 of the epoch that the best checkpoint is of.

    Args:
        history: metrics.csv.
        monitor: the column that decides which epoch is the best.
    """
    scores = history[monitor].to_numpy()
    best = scores.argmin() if monitor.endswith("loss") else scores.argmax()
    return float(history["val/top1"].to_numpy()[best])


def _history(directory: RunDirectory) -> pd.DataFrame:
    return metrics_numbers(directory.metrics)


def _diverged(process: RunProcess, history: pd.DataFrame) -> bool:
    if process.state != "failed":
        return False
    lost = len(history) and not all(math.isfinite(loss) for loss in history["val/loss"])
    return bool(lost) or "diverge" in process.error
