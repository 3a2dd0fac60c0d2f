"""Alerts of W&B, by choice: a run failed or diverged, a study has finished."""

from typing import Any

from artculture.training.run_directory import RunDirectory
from artculture.training.tracking.wandb_settings import WandbRun
from artculture.utils.secrets import hidden

# States of runs that a study still waits for.
UNDER_WAY = ("pending", "running", "interrupted")


def alert_failure(run: Any, info: WandbRun, reason: str) -> None:
    """Send an alert for a run that failed.

    Args:
        run: the open W&B run.
        info: what it is of.
        reason: why it failed.
    """
    what = "diverged" if "diverged" in reason else "failed"
    run.alert(f"{info.group}: run {what}", f"{info.name} {what}: {hidden(reason)}", level="ERROR")


def alert_study_finished(run: Any, info: WandbRun) -> None:
    """Send an alert for a study whose last run has finished; nothing while others are under way.

    Args:
        run: the open W&B run, of the run that has just finished.
        info: what it is of.
    """
    states = other_states(info)
    if not states or any(state in UNDER_WAY for state in states):
        return
    finished, failed = states.count("finished") + 1, states.count("failed")
    text = f"{finished} runs finished" + (f", {failed} failed" if failed else "")
    run.alert(f"{info.group}: study finished", f"{info.study.name}: {text}", level="INFO")


def other_states(info: WandbRun) -> list[str]:
    """Return the states of the other runs of a study."""
    own = info.directory.path.resolve()
    folders = (file.parent for file in sorted(info.study.glob("*/config.yaml")))
    return [str(RunDirectory(folder).status()["state"]) for folder in folders if folder != own]
