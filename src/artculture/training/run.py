"""One run from config to result."""

import logging
import time
from pathlib import Path
from typing import Any

import torch

from artculture.config.schema.train import TrainConfig, plain
from artculture.training import resume
from artculture.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from artculture.training.error_mapping import map_error
from artculture.training.fit import Work, fit_and_predict
from artculture.training.job import Job, stored_values
from artculture.training.numeric_choice import AUTO, DECIDED, decided, with_recorded
from artculture.training.origin import origin_of
from artculture.training.run_directory import RunDirectory
from artculture.training.run_records import State
from artculture.training.signals import listen_for_signals
from artculture.training.tracking.trackers import Trackers, report_to_agent
from artculture.training.tracking.wandb_settings import id_of
from artculture.utils.errors import Interrupted, reason_of

log = logging.getLogger(__name__)


def train_run(
    job: Job,
    directory: RunDirectory,
    patience: float | None = None,
    process_group: ProcessGroup = SINGLE_PROCESS,
) -> resume.Plan:
    """Train a run as its directory's state asks, and write its result.

    Of several processes the first does so; the others train with it and write nothing.

    Args:
        job: the run.
        directory: where the run lives.
        patience: seconds to wait for another process that trains this run; None for the usual.
        process_group: the run's processes.

    Returns:
        What was done.

    Raises:
        InputError: data, weights or a checkpoint that do not fit.
        RunLockedError: another process trains this run.
        WorkError: the training can't continue: it diverged, a disk is full, memory is too small …
        Interrupted: a signal asked to stop.
    """
    config, variant = job.config, list(job.variant)
    if not process_group.is_global_zero:
        return _train_along(config, directory, variant, process_group)
    directory.make()
    with listen_for_signals() as listener, directory.lock(patience) as lock:
        directory.remove_leftovers()
        restart = directory.status().get("restart") is True
        if not restart and config.resume != "never":
            # Another process may have begun the run since its config was composed.
            config = with_recorded(config, directory.read_config() or {})
        values = plain(config)
        plan = resume.Plan("restart") if restart else resume.plan(directory, values, config.resume)
        if plan.action == "skip":
            log.info("%s was finished before: skipped", directory.path)
            _broadcast_plan(process_group, plan)
            report_to_agent(values, directory, variant)
            return plan
        if plan.action == "restart":
            directory.clear()  # a run that starts over is another W&B run
        config = decided(config, alone=process_group.world_size == 1)
        directory.write_config(stored_values(config))
        launches = int(directory.status().get("launches", 0)) + 1
        facts: dict[str, Any] = {
            "started": time.time(),
            "wandb_id": id_of(directory),
            "launches": launches,
            "restart": False,
        }
        if (origin := origin_of(directory, plan.checkpoint)) is not None:
            facts["origin"] = origin.record()
        directory.set_status("running", **facts, **job.facts())
        trackers = None
        try:
            _broadcast_plan(process_group, plan)
            config = _same_numerics(config, process_group)
            trackers = Trackers(config, directory, facts["wandb_id"], variant)
            result = fit_and_predict(config, directory, plan, variant, Work(trackers, listener, lock, process_group))
            assert result is not None
            trackers.close(0)
        except BaseException as error:
            mapped = map_error(process_group.map_error(error), listener.received)
            interrupted = isinstance(mapped, (Interrupted, KeyboardInterrupt))
            _set_end_status(directory, "interrupted" if interrupted else "failed", reason_of(mapped))
            if trackers is not None:
                trackers.close(1, reason_of(mapped), preempted=interrupted)
            if mapped is error:
                raise
            raise mapped from error
        closing = {"tested": config.trainer.evaluate_test, "sha256": directory.checksums()}
        directory.set_status("finished", finished=time.time(), val_top1=result["val_top1"], seconds_left=0, **closing)
    return plan


def _train_along(
    config: TrainConfig, directory: RunDirectory, variant: list[str], process_group: ProcessGroup
) -> resume.Plan:
    """Train on a rank other than 0: the same training, as rank 0 has planned it, writing nothing."""
    with listen_for_signals() as listener:
        try:
            plan = _broadcast_plan(process_group)
            if plan.action != "skip":
                config = _same_numerics(config, process_group)
                fit_and_predict(config, directory, plan, variant, Work(None, listener, None, process_group))
        except BaseException as error:
            mapped = map_error(process_group.map_error(error), listener.received)
            if mapped is error:
                raise
            raise mapped from error
    return plan


def _same_numerics(config: TrainConfig, process_group: ProcessGroup) -> TrainConfig:
    """Return the config with what rank 0 has decided, as other machines might decide otherwise; set the threads."""
    trainer = config.trainer
    values = process_group.broadcast("numerics", lambda: [getattr(trainer, key) for key in DECIDED])
    trainer = trainer.model_copy(update=dict(zip(DECIDED, values, strict=True)))
    if trainer.threads != AUTO:
        torch.set_num_threads(trainer.threads)
    return config.model_copy(update={"trainer": trainer})


def _broadcast_plan(process_group: ProcessGroup, plan: resume.Plan | None = None) -> resume.Plan:
    """Return the plan of rank 0, broadcast to all ranks."""

    def value() -> tuple[str, str | None]:
        assert plan is not None
        return plan.action, None if plan.checkpoint is None else str(plan.checkpoint)

    action, checkpoint = process_group.broadcast("plan", value)
    return resume.Plan(action, None if checkpoint is None else Path(checkpoint))


def _set_end_status(directory: RunDirectory, state: State, reason: str) -> None:
    try:
        directory.set_status(state, error=reason)
    except OSError as error:  # the disk that ended the training may not take this either
        log.warning("status.json could not be written (%s)", error.strerror)
