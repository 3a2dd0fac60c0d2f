"""Settings of Hydra itself that have another name here: each is one message that says which."""

from hydra.core.override_parser.types import Override

LAUNCHER = (
    "runs of a grid are executed by the group `launcher`: launcher.parallel=4 for several at a time on this machine, "
    "launcher=slurm (by submitit) or launcher=ray"
)
SWEEPER = (
    "a grid is -m key=a,b,c; `artculture search` samples values with Optuna, in ranges of search.space, and continues "
    "where it was stopped"
)
FOLDERS = (
    "a run's folder is named by its choices, as <study.root>/<study.name>/<run>, so that it can be resumed: set "
    "study.root=… and study.name=…"
)
# The value that the product itself sets.
OWN = "artculture"
FOLDER_KEYS = ("hydra.run", "hydra.sweep", "hydra.output_subdir", "hydra.job.chdir")


def hydra_mistake(override: Override) -> str | None:
    """Return what to use instead of a setting of Hydra that would have no effect; None for any other."""
    key = override.key_or_group
    if key == "hydra/launcher" or key.startswith("hydra.launcher."):
        return None if override.value() == OWN else f"{override.input_line}: {LAUNCHER}"
    if key == "hydra/sweeper" or (key.startswith("hydra.sweeper.") and not key.startswith("hydra.sweeper.params")):
        return None if override.value() == OWN else f"{override.input_line}: {SWEEPER}"
    if any(key == name or key.startswith(f"{name}.") for name in FOLDER_KEYS):
        return f"{override.input_line}: {FOLDERS}"
    return None


def sweep_mistake(override: Override) -> str | None:
    """Return what to use instead of an interval, of which a grid has no list of values; None for any other sweep."""
    if not override.is_sweep_override() or override.is_discrete_sweep():
        return None
    interval = override.value()
    low, high = getattr(interval, "start", "…"), getattr(interval, "end", "…")
    key = override.key_or_group
    return (
        f"{override.input_line}: a grid needs a list of values, {key}=a,b,c or {key}=range(…); to sample an interval "
        f"use `artculture search 'search.space.{key}={{low: {low}, high: {high}}}'`"
    )
