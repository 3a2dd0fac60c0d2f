"""A launcher: starts runs and reports how they end, as artculture/studies/launchers/protocol.py says."""

from collections.abc import Sequence

from artculture.studies.grid import PlannedRun
from artculture.studies.launchers.local import LocalRun
from artculture.studies.launchers.process import run_command
from artculture.studies.launchers.protocol import NoSetup, StartedRun


class NiceLauncher(NoSetup):
    """Runs at low priority, next to other work on this machine.

    Args:
        parallel: runs at a time.
        niceness: from 0, the usual priority, to 19, the lowest.
    """

    queues = detached = False

    def __init__(self, parallel: int = 1, niceness: int = 10) -> None:
        self.capacity: int | None = parallel
        self.prefix = ["nice", f"-n{niceness}"]

    def start(self, runs: Sequence[PlannedRun]) -> list[StartedRun]:
        # Each process is `artculture run DIR`, with the environment and the log that every launcher gives it.
        commands = [run_command(run, threads=None).prepare() for run in runs]
        return [LocalRun(command.start(self.prefix), gpu=None) for command in commands]
