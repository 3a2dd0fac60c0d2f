"""Name, group, tags, folder and mode of the W&B run of a run directory, from its config and W&B's variables."""

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artculture.training.identity import NONE, choice_names, data_label
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError, choices_hint

MODES = ("online", "offline", "disabled")
# Values of WANDB_MODE, and what they mean.
MODE_NAMES = {**{mode: mode for mode in MODES}, "run": "online", "dryrun": "offline"}
TRUE = ("true", "t", "yes", "y", "on", "1")


@dataclass(frozen=True)
class WandbRun:
    """The W&B run of a run directory.

    Attributes:
        directory: the run directory.
        run_id: id of the W&B run.
        folder: where its folder `wandb` is.
        config: config of the run, with `row`, the name that all its seeds share, and `data_label`.
        log_model: whether to log the best checkpoint as an artifact.
        alerts: whether to send alerts.
        monitor: the metric that decides which epoch is best.
    """

    directory: RunDirectory
    run_id: str
    folder: Path
    mode: str
    project: str
    entity: str | None
    group: str
    job_type: str
    name: str
    notes: str | None
    tags: tuple[str, ...]
    thumbnails: int
    log_model: bool
    alerts: bool
    monitor: str
    config: dict[str, Any]

    @property
    def study(self) -> Path:
        """The study's folder, absolute."""
        return self.directory.path.resolve().parent


def wandb_run_of(
    values: dict[str, Any], directory: RunDirectory, run_id: str, variant: Sequence[str]
) -> WandbRun | None:
    """Return the W&B run of a run directory; None where it has none.

    Args:
        values: config of the run, plain values.
        directory: the run directory.
        run_id: id of the W&B run.
        variant: words that tell the run from its architecture, method and scheduler.

    Raises:
        InputError: WANDB_MODE has an unknown value.
    """
    choice = values.get("logger", {}).get("wandb")
    if choice is None or (mode := mode_of(choice.get("mode"))) == "disabled":
        return None
    words = [name for name in choice_names(values) if name != NONE]
    data = data_label(values)
    return WandbRun(
        directory=directory,
        run_id=run_id,
        folder=folder_of(choice.get("dir"), directory),
        mode=mode,
        project=choice["project"],
        entity=choice.get("entity"),
        group=choice["group"],
        job_type=choice["job_type"],
        name=choice.get("name") or directory.path.name,
        notes=choice.get("notes"),
        tags=tuple(dict.fromkeys([*words, data, *variant, *choice["tags"]])),
        thumbnails=choice["thumbnails"],
        log_model=choice.get("log_model") == "best",
        alerts=bool(choice.get("alerts")),
        monitor=values["trainer"]["monitor"],
        config={**values, "row": " ".join([*words, *variant]), "data_label": data},
    )


def mode_of(chosen: str | None) -> str:
    """Return the mode of a config, or of WANDB_DISABLED and WANDB_MODE where it has none.

    Raises:
        InputError: WANDB_MODE has an unknown value.
    """
    if chosen is not None:
        return chosen
    if os.environ.get("WANDB_DISABLED", "").lower() in TRUE:
        return "disabled"
    wanted = os.environ.get("WANDB_MODE", "").lower() or "online"
    if wanted not in MODE_NAMES:
        raise InputError(f"WANDB_MODE={wanted}: {choices_hint(wanted, MODES)}")
    return MODE_NAMES[wanted]


def folder_of(chosen: str | None, directory: RunDirectory) -> Path:
    """Return where the folder `wandb` of a run is: the config's choice, WANDB_DIR, or the run directory.

    A W&B agent sets WANDB_DIR to the folder that it was started in, where nobody has set it.
    """
    by_agent = "WANDB_SWEEP_ID" in os.environ and os.environ.get("WANDB_DIR") == str(Path.cwd())
    # Absolute: the W&B service may have been started in another folder.
    return Path(chosen or (None if by_agent else os.environ.get("WANDB_DIR")) or directory.path).expanduser().resolve()


def agent_run_id() -> str | None:
    """Return the id that a W&B agent gives the run which it executes; None without an agent."""
    return os.environ.get("WANDB_RUN_ID") if "WANDB_SWEEP_ID" in os.environ else None


def id_of(directory: RunDirectory) -> str:
    """Return the W&B id of a run: the one in its status.json, which moves with the directory, else a new one.

    A run that a W&B agent executes has the id that the agent gave it, which W&B would use in any case.
    """
    stored = directory.status().get("wandb_id")
    return agent_run_id() or stored or os.environ.get("WANDB_RUN_ID") or uuid.uuid4().hex[:12]
