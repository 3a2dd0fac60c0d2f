"""All loggers of a run: W&B and Lightning's, opened in the background."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from artculture.config.schema.train import TrainConfig, plain
from artculture.data.selection import Selection
from artculture.training.identity import data_label
from artculture.training.run_directory import RunDirectory
from artculture.training.tracking import media, wandb_run
from artculture.utils.targets import node_name


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
        self._thumbnails = 0 if config.logger.wandb is None else config.logger.wandb.thumbnails
        self._page = _open_page(config, directory, run_id, variant)
        self._history = None if self._page is None else wandb_run.History(self._page.run)
        self._loggers = []
        if config.logger.nodes:
            from artculture.training.tracking.lightning_loggers import TrackedRun, open_logger

            run = TrackedRun(directory, run_id, config.study.name, plain(config))
            self._loggers = [open_logger(name, node, run) for name, node in config.logger.nodes.items()]

    def catch_up(self, rows: pd.DataFrame) -> None:
        """Log the epochs of metrics.csv (cells as text) that a logger lacks."""
        for row in rows.to_dict("records"):
            self.log({str(key): float(value) for key, value in row.items() if value != ""})
        if self._history is not None:
            self._history.remove_superseded()

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
        if page is not None:
            test = predictions[predictions["split"] == "test"]
            with wandb_run.suppress_wandb_errors("take the result"):
                media.log_result(page, selection, test, result, self._thumbnails)
        if self._loggers:
            from artculture.training.tracking.lightning_loggers import result_numbers

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
            self._page.close(exit_code, reason, preempted=preempted)
        for logger in self._loggers:
            logger.close(exit_code)


def _open_page(
    config: TrainConfig, directory: RunDirectory, run_id: str, variant: Sequence[str]
) -> wandb_run.BackgroundWandbRun | None:
    choice = config.logger.wandb
    if choice is None:
        return None
    architecture, method, scheduler = config.architecture.name, config.method.name, node_name(config.scheduler)
    page = wandb_run.WandbRun(
        project=choice.project,
        entity=choice.entity,
        group=config.study.name,
        job_type=method,
        name=directory.path.name,
        run_id=run_id,
        tags=tuple(dict.fromkeys([architecture, method, scheduler, data_label(plain(config)), *variant, *choice.tags])),
    )
    return wandb_run.BackgroundWandbRun(page, directory, plain(config), offline=choice.mode == "offline")
