"""Loggers of Lightning: each gets every epoch once after any number of interruptions, and none can end a training."""

import logging
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger

from artculture.config.schema.nodes import Node
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import reason_of
from artculture.utils.io import read_json, write_json
from artculture.utils.targets import TARGET, accepted, instantiate, locate

log = logging.getLogger(__name__)

# Folder of a run directory, with a folder or a file per logger.
LOGS = "logs"


@dataclass(frozen=True)
class TrackedRun:
    """The run that loggers log.

    Attributes:
        directory: the run directory.
        run_id: id of the run, which moves with its directory.
        study: name of the study.
        config: the config, plain values.
    """

    directory: RunDirectory
    run_id: str
    study: str
    config: dict[str, Any]


class LightningLogger:
    """A logger of Lightning that works in a thread of its own; the run keeps the number of epochs that it took.

    Args:
        name: its name in the group `logger`.
        node: its config.
        run: the run.
    """

    def __init__(self, name: str, node: Node, run: TrackedRun) -> None:
        self.name, self.node, self.run = name, node, run
        self.next_epoch, self.has_result = 0, False
        self._logger: Any = None
        self._lost = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"logger {name}")
        self._do(self._open)

    def log(self, row: dict[str, float]) -> None:
        """Log the metrics of an epoch, unless the logger has them."""
        self._do(self._log_epoch, row)

    def log_result(self, numbers: dict[str, float], step: int) -> None:
        """Log the numbers of the finished run, unless the logger has them."""
        self._do(self._log_result, numbers, step)

    def close(self, exit_code: int) -> None:
        """Wait until everything is logged, and finish."""
        self._do(self._finalize, "success" if exit_code == 0 else "failed")
        self._worker.shutdown()

    def open(self) -> Any:
        """Return the `lightning.pytorch` logger, with `next_epoch` and `has_result` set to what it has."""
        progress = self._progress
        if progress.is_file():
            taken = read_json(progress)
            self.next_epoch, self.has_result = int(taken["epochs"]), bool(taken["result"])
        logger = self.make()
        if self.next_epoch == 0:
            logger.log_hyperparams(self.run.config)
        return logger

    def keep_progress(self) -> None:
        """Store what the logger has, after it took an epoch or the result."""
        self._progress.parent.mkdir(exist_ok=True)
        write_json(self._progress, {"epochs": self.next_epoch, "result": self.has_result})

    def make(self, **given: Any) -> Any:
        """Return a logger of the node, with those arguments that it has and the node does not set."""
        given = {"run_name": self.run.directory.path.name, **given}
        return instantiate(self.node, **accepted(self.node, given))

    @property
    def folder(self) -> Path:
        return self.run.directory.path / LOGS / self.name

    @property
    def _progress(self) -> Path:
        return self.folder.with_name(f"{self.name}.json")

    def _do(self, work: Callable[..., None], *args: Any) -> None:
        self._worker.submit(self._guarded, work, *args)

    def _guarded(self, work: Callable[..., None], *args: Any) -> None:
        if self._lost:
            return
        try:
            work(*args)
        except Exception as error:  # a logger may fail in any way; the training must not
            self._lost = True
            reason = reason_of(error)
            log.warning("logger.%s failed (%s): training continues, metrics.csv has every epoch", self.name, reason)

    def _open(self) -> None:
        self._logger = self.open()

    def _log_epoch(self, row: dict[str, float]) -> None:
        epoch = int(row["epoch"])
        if epoch >= self.next_epoch:
            self._logger.log_metrics({**row, "epoch": epoch}, step=epoch)
            self._logger.save()
            self.next_epoch, self.has_result = epoch + 1, False
            self.keep_progress()

    def _log_result(self, numbers: dict[str, float], step: int) -> None:
        if self.has_result:
            return
        if isinstance(self._logger, TensorBoardLogger):  # its table of hyperparameters lists runs by these numbers
            self._logger.log_hyperparams(self.run.config, numbers, step)
        else:
            self._logger.log_metrics(numbers, step=step)
        self._logger.save()
        self.has_result = True
        self.keep_progress()

    def _finalize(self, status: str) -> None:
        self._logger.finalize(status)


class FolderLogger(LightningLogger):
    """A logger that writes into a folder of the run directory.

    Every launch empties the folder and logs the whole history again, from metrics.csv: that is exact wherever the
    launch before was killed, and no file format has to be continued.
    """

    def open(self) -> Any:
        shutil.rmtree(self.folder, ignore_errors=True)
        logger = self.make(save_dir=str(self.folder))
        logger.log_hyperparams(self.run.config)
        return logger

    def keep_progress(self) -> None:
        """Store nothing."""


def open_logger(name: str, node: Node, run: TrackedRun) -> LightningLogger:
    """Return a logger of a node, which is opened in the background."""
    target: Any = locate(node[TARGET])
    if isinstance(target, type) and issubclass(target, MLFlowLogger):
        from artculture.training.tracking.mlflow_run import MlflowRun

        return MlflowRun(name, node, run)
    return (FolderLogger if accepted(node, {"save_dir": ""}) else LightningLogger)(name, node, run)
