"""The launcher that a config asks for."""

from collections.abc import Sequence

from artculture.config import TrainConfig
from artculture.launchers.local import LocalLauncher, slots
from artculture.launchers.protocol import Launcher


def make_launcher(config: TrainConfig, flags: Sequence[str]) -> Launcher:
    """The launcher of `launcher.name`, checked and not yet open.

    Args:
        config: of any row of the study.
        flags: Hydra flags for every row (`--config-dir …`).

    Raises:
        InputError: its extra is not installed, or this machine lacks what it needs.
    """
    # An engine's library is only imported where it is asked for.
    if config.launcher.name == "slurm":
        from artculture.launchers.slurm import SlurmLauncher

        return SlurmLauncher(config.launcher, flags)
    if config.launcher.name == "ray":
        from artculture.launchers.ray import RayLauncher

        return RayLauncher(config.launcher, flags)
    return LocalLauncher(slots(config), flags)
