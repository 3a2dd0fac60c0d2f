"""Protocol of the launchers: start runs and report how each of them ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from artculture.studies.grid import PlannedRun


@dataclass(frozen=True)
class ExitStatus:
    """How the process of a run ended.

    Attributes:
        code: exit code, -n if signal n killed the process; None if unknown.
        reason: the cluster's explanation if there is no exit code.
    """

    code: int | None
    reason: str = ""


class StartedRun(Protocol):
    """Handle of a run that a launcher has started or submitted."""

    @property
    def location(self) -> str:
        """Where the run is executed, as displayed: `GPU 1`, `job 4711_2`; empty for the CPU."""

    def exit_status(self) -> ExitStatus | None:
        """Return how the run ended; None while it is queued or running."""

    def stop(self) -> None:
        """Ask the run to save and exit, or remove it from the queue."""

    def kill(self) -> None:
        """Kill the run."""


class NoSetup:
    """Context-manager methods of launchers without a connection to open and close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


class Launcher(Protocol):
    """Starts runs inside a `with` block.

    Attributes:
        capacity: maximum number of runs started at a time; None if the cluster queues them.
        queues: whether a started run may wait in a queue.
        detached: whether runs continue when the launching command is stopped.
    """

    capacity: int | None
    queues: bool
    detached: bool

    def __enter__(self) -> Self:
        """Connect to the cluster.

        Raises:
            InputError: it is not reachable, or lacks requested resources.
        """

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def start(self, runs: Sequence[PlannedRun]) -> list[StartedRun]:
        """Start or submit runs, at most as many as there is capacity for; one per call unless they are queued.

        Raises:
            InputError: the cluster rejects them.
        """
