"""All loggers of a run: W&B and Lightning's, opened in the background."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from artculture.config.schema.train import TrainConfig, plain
from artculture.data.selection import Selection
from artculture.training.result import result_numbers
from artculture.training.run_directory import RunDirectory
from artculture.training.tracking import media, wandb_run
from artculture.training.tracking.alerts import alert_failure, alert_study_finished
from artculture.training.tracking.artifacts import log_artifacts
from artculture.training.tracking.wandb_files import movable_artifacts
from artculture.training.tracking.wandb_history import History, numbers_of, open_with_history
from artculture.training.tracking.wandb_settings import WandbRun, agent_run_id, wandb_run_of


class Trackers:
    """The loggers that a config asks for.

    Args:
        config: the run's config.
        directory: the run directory.
        run_id: id of the run.
        variant: words that tell the run from its architecture, method and scheduler.

    Raises:
        InputError: wandb is not installed.
    """

    def __init__(self, config: TrainConfig, directory: RunDirectory, run_id: str, variant: Sequence[str]) -> None:
        values = plain(config)
        self._info = wandb_run_of(values, directory, run_id, variant)
        self._page = None if self._info is None else wandb_run.BackgroundWandbRun(self._info)
        self._history = None
        if self._page is not None and self._info is not None:
            self._history = History(self._page.run, self._info.monitor, self._info.study)
        self._loggers = []
        if config.logger.nodes:
            from artculture.training.tracking.lightning_loggers import TrackedRun, open_logger

            run = TrackedRun(directory, run_id, config.study.name, values)
            self._loggers = [open_logger(name, node, run) for name, node in config.logger.nodes.items()]

    def catch_up(self, rows: pd.DataFrame) -> None:
        """Log the epochs of metrics.csv (cells as text) that a logger lacks."""
        if self._history is not None:
            self._history.log_all(rows)
            self._history.remove_superseded()
        for row in numbers_of(rows):
            for logger in self._loggers:
                logger.log(row)

    def log(self, row: dict[str, Any]) -> None:
        """Log the metrics of an epoch, to those loggers that lack it."""
        if self._history is not None:
            self._history.log(row)
        for logger in self._loggers:
            logger.log(row)

    def log_result(self, selection: Selection, predictions: pd.DataFrame, result: dict[str, Any]) -> None:
        """Log the result of the run.

        Args:
            selection: the paintings.
            predictions: calibrated probabilities, as `prediction_table` makes them.
            result: content of result.json.
        """
        page = None if self._page is None else self._page.run()
        if page is not None and self._info is not None:
            test = predictions[predictions["split"] == "test"]
            log_run_result(page, self._info, selection, test, result)
        for logger in self._loggers:
            logger.log_result(result_numbers(result), result["epochs"])

    def close(self, exit_code: int, reason: str | None = None, *, preempted: bool = False) -> None:
        """Finish all logs.

        Args:
            exit_code: 0 for finished, otherwise failed.
            reason: why the run failed.
            preempted: whether the run was interrupted and will be resumed.
        """
        if self._page is not None:
            self._alert(reason, preempted=preempted)
            self._page.close(exit_code, reason, preempted=preempted)
        for logger in self._loggers:
            logger.close(exit_code)

    def _alert(self, reason: str | None, *, preempted: bool) -> None:
        run = None if self._page is None or preempted else self._page.run()
        if run is None or self._info is None or not self._info.alerts:
            return
        with wandb_run.suppress_wandb_errors("send an alert"):
            if reason is None:
                alert_study_finished(run, self._info)
            else:
                alert_failure(run, self._info, reason)


def log_run_result(run: Any, info: WandbRun, selection: Selection, test: pd.DataFrame, result: dict[str, Any]) -> None:
    """Log the result of a run to its W&B run: numbers, tables and artifacts.

    Args:
        run: the open W&B run.
        info: what it is of.
        selection: the paintings.
        test: calibrated probabilities of the test split, with their `row`.
        result: content of result.json.
    """
    with wandb_run.suppress_wandb_errors("take the result"), movable_artifacts(run, info.study):
        media.log_numbers(run, result)
        if run.step <= result["epochs"]:  # else an earlier launch has logged the rest
            log_artifacts(run, info, selection, result)
            media.log_tables(run, selection, test, result, info.thumbnails)


def report_to_agent(values: dict[str, Any], directory: RunDirectory, variant: Sequence[str]) -> None:
    """Log a finished run once more where a W&B agent asks for its values under an id of its own.

    Args:
        values: config of the run, plain values.
        directory: the run directory.
        variant: words that tell the run from its architecture, method and scheduler.
    """
    run_id = agent_run_id()
    if run_id is None or run_id == directory.status().get("wandb_id"):
        return
    info = wandb_run_of(values, directory, run_id, variant)
    if info is not None:
        with wandb_run.suppress_wandb_errors("take the finished run"):
            run, _ = open_with_history(info)
            media.log_numbers(run, directory.read_result())
            wandb_run.finish_run(run, 0)
