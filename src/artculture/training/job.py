"""Run directories as jobs: config.yaml and status.json are enough to train a run in any process or machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artculture.config.schema.train import TrainConfig, plain
from artculture.config.validation import validated
from artculture.training.run_directory import ENSEMBLE, RunDirectory
from artculture.utils.errors import InputError
from artculture.utils.import_path import import_from


@dataclass(frozen=True)
class Job:
    """A composed and validated run.

    Attributes:
        config: the complete config.
        variant: values that differ from the defaults of the architecture, method and scheduler, as text.
        arguments: arguments of `artculture train` that compose the config again.
        folder: working directory that relative paths in the config refer to.
    """

    config: TrainConfig
    variant: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    folder: str = ""

    def facts(self) -> dict[str, Any]:
        """Return the fields of the job that status.json stores."""
        return {
            "variant": list(self.variant),
            "arguments": list(self.arguments),
            "folder": self.folder or str(Path.cwd()),
        }


def stored_values(config: TrainConfig) -> dict[str, Any]:
    """Return the config as config.yaml stores it: `resume=never` applies to one launch only."""
    values = plain(config)
    return {**values, "resume": "auto"} if config.resume == "never" else values


def write_job(directory: RunDirectory, job: Job, *, restart: bool) -> None:
    """Write config and status, so that `artculture run DIR` trains the run.

    Args:
        directory: not locked by any process.
        job: the run.
        restart: whether the process that trains removes all earlier results first.
    """
    directory.make()
    directory.write_config(stored_values(job.config))
    directory.set_status("pending", restart=restart, **job.facts())


def read_job(directory: RunDirectory) -> Job:
    """Read the job of a run directory.

    Raises:
        InputError: there is no config.yaml, it is damaged, or it is not valid for this version.
    """
    values = directory.read_config()
    if values is None:
        raise InputError(f"{directory.path} is not a run directory: it has no config.yaml")
    if ENSEMBLE in values:
        raise InputError(f"{directory.path} is an ensemble, which is not trained: `artculture ensemble` makes it")
    facts = directory.status()
    folder = str(facts.get("folder", ""))
    if folder:
        import_from(Path(folder))
    try:
        config = validated(TrainConfig, values)
    except InputError as error:
        raise InputError(f"{directory.config}: {error}") from error
    variant, arguments = _strings(facts.get("variant")), _strings(facts.get("arguments"))
    return Job(config, variant, arguments, folder)


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else ()
