"""What a study asks of a launcher: start rows, and tell how each of them ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from artculture.studies.grid import PlannedRun


@dataclass(frozen=True)
class ExitStatus:
    """How a row's process ended.

    Attributes:
        code: its exit code, -n where signal n killed it; None where nobody saw it end.
        reason: what the engine says about it, where there is no code.
    """

    code: int | None
    reason: str = ""


class StartedRun(Protocol):
    """A row that was handed to a launcher."""

    @property
    def location(self) -> str:
        """Where it runs, for people: `GPU 1`, `job 4711_2`; empty where there is nothing to say."""

    def exit_status(self) -> ExitStatus | None:
        """How it ended; None while it waits for its turn or runs."""

    def stop(self) -> None:
        """Ask it to save and end, or take it out of the queue."""

    def kill(self) -> None:
        """End it without waiting for anything."""


class NoSetup:
    """What a launcher has in common that needs no way to its engine kept open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


class Launcher(Protocol):
    """Starts rows; open inside a `with` block.

    Attributes:
        capacity: how many rows may be handed over at a time; None where the engine's own queue decides.
        queues: a row that was handed over may wait for its turn.
        detached: its rows go on when the launching command is told to stop.
    """

    capacity: int | None
    queues: bool
    detached: bool

    def __enter__(self) -> Self:
        """Open the way to the engine.

        Raises:
            InputError: it can't be reached, or lacks what the rows ask for.
        """

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def start(self, runs: Sequence[PlannedRun]) -> list[StartedRun]:
        """Hand over rows, at most as many as there are free places.

        Raises:
            InputError: the engine refuses them.
        """
