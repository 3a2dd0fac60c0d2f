"""MLflow: a run of its own for every run, found again by a tag, in a database of the study or on a server."""

import logging
import os
from typing import Any

from filelock import FileLock

from artculture.training.tracking.lightning_loggers import LightningLogger

# Tag of an MLflow run with the id of our run.
RUN_TAG = "artculture.run"
# Longest wait for another run of the study, which makes the tables of the database.
DATABASE_PATIENCE_SECONDS = 300.0
# MLflow reads these when it is imported, and would print each change of its tables and report its usage.
QUIET = {"MLFLOW_LOGGING_LEVEL": "WARNING", "MLFLOW_DISABLE_TELEMETRY": "true"}


class MlflowRun(LightningLogger):
    """A run of MLflow, which is continued, and asked which epochs it has."""

    def open(self) -> Any:
        study = self.run.directory.path.resolve().parent
        with FileLock(study / ".mlflow.lock", DATABASE_PATIENCE_SECONDS):
            logger = self._continued(f"sqlite:///{(study / 'mlflow.db').as_posix()}")
        client, run_id = logger.experiment, logger.run_id
        client.update_run(run_id, status="RUNNING")
        if not client.get_run(run_id).data.params:
            logger.log_hyperparams(self.run.config)
        epochs = [metric.step for metric in client.get_metric_history(run_id, "epoch")]
        results = [metric.step for metric in client.get_metric_history(run_id, "result/epochs")]
        self.next_epoch = max(epochs, default=-1) + 1
        self.has_result = max(results, default=-1) >= self.next_epoch
        return logger

    def _continued(self, database: str) -> Any:
        """Return a logger to the MLflow run of an earlier launch, or to a new one."""
        logging.getLogger("alembic").setLevel(logging.WARNING)
        for variable, value in QUIET.items():
            os.environ.setdefault(variable, value)
        from mlflow.tracking import MlflowClient

        address = self.node.get("tracking_uri") or os.environ.get("MLFLOW_TRACKING_URI") or database
        name = self.node.get("experiment_name") or self.run.study
        client = MlflowClient(address)
        experiment = client.get_experiment_by_name(name)
        number = client.create_experiment(name) if experiment is None else experiment.experiment_id
        earlier = client.search_runs([number], f"tags.`{RUN_TAG}` = '{self.run.run_id}'")
        self.node = {**self.node, "tags": {**self.node.get("tags", {}), RUN_TAG: self.run.run_id}}
        run_id = earlier[0].info.run_id if earlier else None
        logger = self.make(tracking_uri=address, experiment_name=name, run_id=run_id)
        _ = logger.experiment  # makes the run
        return logger

    def keep_progress(self) -> None:
        """Store nothing: MLflow knows."""
