"""Trials as runs: composed, trained in separate processes, and reported to the storage after each epoch."""

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
from artculture.training.checkpointing import mode_of
from artculture.training.identity import EPOCHS
from artculture.training.run_directory import RunDirectory
from artculture.training.run_records import metrics_numbers
from artculture.utils.overrides import override_value

log = logging.getLogger(__name__)

# With this many failures and nothing finished, the config is wrong, not the values of a trial.
HOPELESS_FAILURES = 3


@dataclass
class RunningTrial:
    """A trial and the process of its run.

    Attributes:
        trial: Optuna's trial.
        values: its values, by key.
        process: the process of its run.
        epochs: number of epochs read so far.
        pruned: whether it was stopped because others are better.
        reported: epochs reported to the storage by an earlier launch.
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
    """Compose the run of a trial, in the folder of the study's trials.

    Args:
        typed: overrides of `artculture train`.
        values: values of the trial, by key.
        study: name of the study.
        again: whether to start over if there is such a run.
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
    choices = dict(composed.hydra.runtime.choices)
    path, variant = run_name.locate_run(config, choices, with_epochs=EPOCHS in values)
    return planned_run(config, path, [*config_flags(), *overrides], variant)


class Trials:
    """Starts trials as capacity allows and reports them to the storage; `execute_runs` executes their processes.

    Args:
        store: the trials of the search.
        space: the searched values.
        make_run: returns the run of a trial's values.
        at_once: number of trials executed in parallel.
        stop_at_failure: whether to start no further trial after one has failed.
        on_end: called after the end of each trial.
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
        # `execute_runs` iterates over this list while trials are added.
        self.processes: list[RunProcess] = []
        self.stopped = False

    @property
    def running(self) -> list[RunningTrial]:
        return [one for one in self.given if not one.ended]

    def advance(self) -> None:
        """Report new epochs of running trials, end finished trials and start new ones."""
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
            run.directory.clear()  # otherwise the epochs of the former run would be reported
        # If the same values were tried before, the run directory has the result.
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
            # To the sampler a diverged trial is a bad result, not a failure.
            why = f"pruned after epoch {one.epochs}" if one.pruned else process.error
            process.state, process.error = "pruned", why
            one.trial.set_user_attr("why", why)
            study.tell(one.trial, state=TrialState.PRUNED)
            process.run.directory.set_status("pruned", error=why)
        elif process.state == "failed":
            one.trial.set_user_attr("why", process.error)
            study.tell(one.trial, state=TrialState.FAIL)
            self.stopped |= self.stop_at_failure or self._is_hopeless()
        else:  # stopped: the trial stays open in the storage, and the next launch continues it
            self.stopped = True
        self.on_end(one)

    def _is_hopeless(self) -> bool:
        states = [one.process.state for one in self.given if one.ended]
        return len(states) >= HOPELESS_FAILURES and set(states) == {"failed"}


def best_accuracy(history: pd.DataFrame, monitor: str) -> float:
    """Return the validation top-1 (0..1) of the epoch of the best checkpoint.

    Args:
        history: the table of metrics.csv.
        monitor: the column that determines the best epoch.
    """
    scores = history[monitor].to_numpy()
    best = scores.argmin() if mode_of(monitor) == "min" else scores.argmax()
    return float(history["val/top1"].to_numpy()[best])


def _history(directory: RunDirectory) -> pd.DataFrame:
    return metrics_numbers(directory.metrics)


def _diverged(process: RunProcess, history: pd.DataFrame) -> bool:
    if process.state != "failed":
        return False
    lost = len(history) and not all(math.isfinite(loss) for loss in history["val/loss"])
    return bool(lost) or "diverge" in process.error
