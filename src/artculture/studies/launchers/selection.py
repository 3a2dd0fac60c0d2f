"""The launcher that a config asks for."""

from artculture.config.schema.train import TrainConfig
from artculture.studies.launchers.local import LocalLauncher, slots
from artculture.studies.launchers.protocol import Launcher


def make_launcher(config: TrainConfig) -> Launcher:
    """The launcher of `launcher.name`, checked and not yet open.

    Args:
        config: of any row of the study.

    Raises:
        InputError: its extra is not installed, or this machine lacks what it needs.
    """
    # An engine's library is only imported where it is asked for.
    if config.launcher.name == "slurm":
        from artculture.studies.launchers.slurm import SlurmLauncher

        return SlurmLauncher(config.launcher)
    if config.launcher.name == "ray":
        from artculture.studies.launchers.ray import RayLauncher

        return RayLauncher(config.launcher)
    return LocalLauncher(slots(config))
