"""Selection of the launcher."""

from typing import cast

from artculture.config.schema.launchers import Ray, Slurm
from artculture.config.schema.train import TrainConfig
from artculture.studies.launchers.local import LocalLauncher, slots
from artculture.studies.launchers.protocol import Launcher
from artculture.utils.errors import InputError
from artculture.utils.targets import TARGET, instantiate, is_target

# What a class of the user's own must have.
PROTOCOL = ("capacity", "queues", "detached", "__enter__", "__exit__", "start")


def make_launcher(config: TrainConfig) -> Launcher:
    """Return the launcher of `launcher`, checked and not entered yet.

    Args:
        config: the config of any run of the study.

    Raises:
        InputError: its extra is not installed, this machine lacks a required program or device, or a class of the
            user's own is no launcher.
    """
    # submitit and Ray are optional dependencies: imported only if selected.
    if isinstance(config.launcher, Slurm):
        from artculture.studies.launchers.slurm import SlurmLauncher

        return SlurmLauncher(config.launcher)
    if isinstance(config.launcher, Ray):
        from artculture.studies.launchers.ray import RayLauncher

        return RayLauncher(config.launcher)
    if is_target(config.launcher):
        return _own(cast(dict[str, object], config.launcher))
    return LocalLauncher(slots(config))


def _own(node: dict[str, object]) -> Launcher:
    launcher = instantiate(node)
    missing = [name for name in PROTOCOL if not hasattr(launcher, name)]
    if missing:
        raise InputError(
            f"launcher: `{node[TARGET]}` made a {type(launcher).__name__}, which lacks {', '.join(missing)}: see "
            f"{Launcher.__module__}.Launcher"
        )
    return cast(Launcher, launcher)
