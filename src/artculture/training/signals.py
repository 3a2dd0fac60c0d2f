"""Signals that ask a training to stop: remembered until a step's end, where everything can be saved."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from artculture.utils.errors import Interrupted
from artculture.utils.signals import STOP_SIGNALS

log = logging.getLogger(__name__)

SIGNALS = (*STOP_SIGNALS, signal.SIGINT)


class Interruption:
    """Whether a signal asked to stop, and whether it may be obeyed at once.

    Attributes:
        asked: name of the first signal that asked, or None.
    """

    def __init__(self) -> None:
        self.asked: str | None = None
        self._deferred = self._stopping = False
        self._process = os.getpid()

    def raise_if_asked(self) -> None:
        """Stop here, if asked to.

        Raises:
            Interrupted: a signal came.
        """
        if self.asked:
            self._stopping = True
            raise Interrupted(self.asked)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, a signal is only remembered: whoever works there calls `raise_if_asked` where it is safe."""
        self.raise_if_asked()
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def listen(self) -> None:
        """Be the only one to hear signals from here on (main thread only)."""
        for number in SIGNALS:
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a loader process, which has inherited this
            return
        name = signal.Signals(number).name
        again = self.asked is not None
        self.asked = self.asked or name
        if self._stopping:  # a batch system may send it to the study and to its rows: the end is under way
            return
        if not self._deferred or (again and number == signal.SIGINT):
            self.raise_if_asked()
        if not again:
            log.warning("%s: stopping after this step, with a checkpoint (Ctrl-C again stops at once)", name)


@contextmanager
def listening() -> Iterator[Interruption]:
    """Hear SIGTERM, SIGUSR1, SIGUSR2 and Ctrl-C inside the block (main thread only)."""
    interruption = Interruption()
    before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    interruption.listen()
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
