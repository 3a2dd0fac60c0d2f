"""A run directory as a job: what it holds is enough to train the run, in any process and on any machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artculture.config.schema.train import TrainConfig, plain
from artculture.config.validation import validated
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError


@dataclass(frozen=True)
class Job:
    """A run that was composed and checked.

    Attributes:
        config: all of it.
        variant: what differs from the defaults of its architecture, method and scheduler, in words.
        arguments: the arguments of `artculture train` that compose the config again.
        folder: the working directory that relative paths in the config refer to.
    """

    config: TrainConfig
    variant: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    folder: str = ""

    def facts(self) -> dict[str, Any]:
        """Return what status.json keeps of the job."""
        return {
            "variant": list(self.variant),
            "arguments": list(self.arguments),
            "folder": self.folder or str(Path.cwd()),
        }


def stored_values(config: TrainConfig) -> dict[str, Any]:
    """Return the config as config.yaml stores it: `resume=never` is one launch's request, not the run's."""
    values = plain(config)
    return {**values, "resume": "auto"} if config.resume == "never" else values


def write_job(directory: RunDirectory, job: Job, *, restart: bool) -> None:
    """Write config and status, so that `artculture run DIR` trains the run.

    Args:
        directory: held by no process.
        job: the run.
        restart: remove all earlier results first; done once, by the process that trains.
    """
    directory.make()
    directory.write_config(stored_values(job.config))
    directory.set_status("pending", restart=restart, **job.facts())


def read_job(directory: RunDirectory) -> Job:
    """Read the job of a run directory.

    Raises:
        InputError: there is none, or it is damaged or not valid for this version.
    """
    values = directory.read_config()
    if values is None:
        raise InputError(f"{directory.path} is no run directory: it has no config.yaml")
    try:
        config = validated(TrainConfig, values)
    except InputError as error:
        raise InputError(f"{directory.config}: {error}") from error
    facts = directory.status()
    variant, arguments = _strings(facts.get("variant")), _strings(facts.get("arguments"))
    return Job(config, variant, arguments, str(facts.get("folder", "")))


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else ()
