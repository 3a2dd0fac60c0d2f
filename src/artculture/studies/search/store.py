"""Trials of a search in an Optuna storage, shared by all processes of the search and resumed after any exit."""

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from artculture.config.schema.train import plain
from artculture.studies.search.config import Search, SearchConfig
from artculture.studies.search.space import Dimension
from artculture.training.identity import differences
from artculture.utils.errors import InputError, reason_of
from artculture.utils.io import json_text

# Keeps seed + trial number distinct for searches with consecutive seeds.
SEED_STRIDE = 1_000_003
# Number of finished trials before the median pruner starts.
STARTUP_TRIALS_OF_PRUNER = 4

optuna.logging.set_verbosity(optuna.logging.WARNING)


class TrialStore:
    """The trials of one search, assigned to the processes that work on it.

    Args:
        folder: the study directory.
        name: name of the search.
        search: sampler, pruner and number of trials.
        space: the searched values.
        max_epochs: maximum number of epochs of a trial.
    """

    def __init__(self, folder: Path, name: str, search: Search, space: Sequence[Dimension], max_epochs: int) -> None:
        self.file, self.name, self.search, self.space = folder / "search.db", name, search, space
        self._folder, self._worker = folder, uuid.uuid4().hex
        self._lock = FileLock(folder / ".search.lock")
        with self._lock, _map_storage_errors(self.file):
            # Parallel processes may have to wait for each other's writes.
            storage = optuna.storages.RDBStorage(
                f"sqlite:///{self.file}", engine_kwargs={"connect_args": {"timeout": 60}}
            )
            self.study = optuna.create_study(
                storage=storage,
                study_name=name,
                direction="maximize",
                load_if_exists=True,
                pruner=_pruner(search, max_epochs),
            )
        self._alive = FileLock(self._worker_file(self._worker))
        self._alive.acquire()

    def close(self) -> None:
        self._alive.release()
        Path(self._alive.lock_file).unlink(missing_ok=True)

    def begin(self, config: SearchConfig) -> None:
        """Check that the stored search is the same, and queue its failed trials again.

        Raises:
            InputError: the stored search has another space or config, or there is none to resume with `must`.
        """
        space = {dimension.key: dimension.described() for dimension in self.space}
        config_now = plain(config.train_config())
        with self._lock:
            stored = self.study.user_attrs
            if "space" not in stored:
                if config.resume == "must":
                    raise InputError(f"resume=must, but there is no search {self.name} in {self.file}; use resume=auto")
                self.study.set_user_attr("space", json_text(space, ensure_ascii=True))
                self.study.set_user_attr("config", json_text(config_now, ensure_ascii=True))
                return
            self._refuse_other_search(json.loads(stored["space"]), space, json.loads(stored["config"]), config_now)
            for trial in self._failed():
                self.study.enqueue_trial(trial.params, user_attrs={"retry_of": trial.number})

    def _refuse_other_search(self, space: Any, space_now: Any, config: Any, config_now: Any) -> None:
        changed = [
            f"{key}: {_shown(space.get(key))} there, {_shown(space_now.get(key))} now"
            for key in dict.fromkeys([*space, *space_now])
            if space.get(key) != space_now.get(key)
        ]
        changed += [
            f"{key}: {there!r} there, {now!r} now" for key, (there, now) in differences(config, config_now).items()
        ]
        if changed:
            shown = "\n  ".join(changed)
            raise InputError(
                f"the search {self.name} in {self.file} has other settings:\n  {shown}\n"
                "Use the stored values, start over with resume=never, or use another study.name=…"
            )

    def next_trial(self) -> Trial | None:
        """Return a trial of an ended process, a retry of a failed one, or a new one; None if all are assigned."""
        with self._lock:
            trials = self.study.get_trials(deepcopy=False)
            orphan = next((trial for trial in trials if self._is_orphan(trial)), None)
            if orphan is not None:
                return self._assign(Trial(self.study, orphan._trial_id), orphan.number)
            waiting = any(trial.state == TrialState.WAITING for trial in trials)
            if not waiting and len(counted(trials)) >= self.search.trials:
                return None
            trial = self.study.ask()
            return self._assign(trial, trial.number)

    def _assign(self, trial: Trial, number: int) -> Trial:
        trial.set_user_attr("worker", self._worker)
        # Seeded by the trial's number, so that a resumed search samples the same values as an uninterrupted one.
        self.study.sampler = _sampler(self.search, number)
        for dimension in self.space:
            dimension.suggest(trial)
        return trial

    def _is_orphan(self, trial: FrozenTrial) -> bool:
        worker = trial.user_attrs.get("worker")
        return trial.state == TrialState.RUNNING and worker != self._worker and not self._is_alive(worker)

    def elsewhere(self) -> int:
        """Return the number of trials running in other processes."""
        running = [trial for trial in self.trials() if trial.state == TrialState.RUNNING]
        workers = [trial.user_attrs.get("worker") for trial in running]
        return sum(worker != self._worker and self._is_alive(worker) for worker in workers)

    def _is_alive(self, worker: str | None) -> bool:
        if worker is None or not self._worker_file(worker).is_file():
            return False
        lock = FileLock(self._worker_file(worker))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        self._worker_file(worker).unlink(missing_ok=True)
        return False

    def _worker_file(self, worker: str) -> Path:
        return self._folder / f".search.{worker}.lock"

    def _failed(self) -> list[FrozenTrial]:
        return [trial for trial in counted(self.trials()) if trial.state == TrialState.FAIL]

    def trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def forget(self) -> None:
        """Delete the search, to start over.

        Raises:
            InputError: another process is working on it.
        """
        with self._lock:
            running = [trial for trial in self.trials() if trial.state == TrialState.RUNNING]
            if any(self._is_alive(trial.user_attrs.get("worker")) for trial in running):
                raise InputError(f"resume=never, but another process works on the search {self.name} in {self.file}")
            pruner, storage = self.study.pruner, self.study._storage
            optuna.delete_study(study_name=self.name, storage=storage)
            self.study = optuna.create_study(storage=storage, study_name=self.name, direction="maximize", pruner=pruner)


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials without those that were retried."""
    retried = {trial.user_attrs.get("retry_of") for trial in trials}
    return [trial for trial in trials if trial.number not in retried]


def best_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the finished trial with the highest validation accuracy, the first of equals."""
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return max(finished, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)


def _sampler(search: Search, number: int) -> optuna.samplers.BaseSampler:
    seed = (search.seed * SEED_STRIDE + number) % 2**32
    if search.sampler == "random":
        return optuna.samplers.RandomSampler(seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=search.startup_trials)


def _pruner(search: Search, max_epochs: int) -> optuna.pruners.BasePruner:
    if search.pruner == "median":
        return optuna.pruners.MedianPruner(STARTUP_TRIALS_OF_PRUNER, search.warmup_epochs)
    if search.pruner == "hyperband":
        first = max(1, min(search.warmup_epochs, max_epochs))
        return optuna.pruners.HyperbandPruner(min_resource=first, max_resource=max_epochs)
    return optuna.pruners.NopPruner()


def _shown(described: dict[str, Any] | None) -> str:
    if described is None:
        return "not searched"
    if described["choices"]:
        return f"[{', '.join(described['choices'])}]"
    return f"{described['low']:g} to {described['high']:g}" + (" (log)" if described["log"] else "")


@contextmanager
def _map_storage_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, RuntimeError) as error:
        raise InputError(
            f"{file} can't be used as the storage of a search ({reason_of(error)}): move it or use another study.name=…"
        ) from error
