"""Selection of the launcher."""

from artculture.config.schema.train import TrainConfig
from artculture.studies.launchers.local import LocalLauncher, slots
from artculture.studies.launchers.protocol import Launcher


def make_launcher(config: TrainConfig) -> Launcher:
    """Return the launcher of `launcher.name`, checked and not entered yet.

    Args:
        config: the config of any run of the study.

    Raises:
        InputError: its extra is not installed, or this machine lacks a required program or device.
    """
    # submitit and Ray are optional dependencies: imported only if selected.
    if config.launcher.name == "slurm":
        from artculture.studies.launchers.slurm import SlurmLauncher

        return SlurmLauncher(config.launcher)
    if config.launcher.name == "ray":
        from artculture.studies.launchers.ray import RayLauncher

        return RayLauncher(config.launcher)
    return LocalLauncher(slots(config))
