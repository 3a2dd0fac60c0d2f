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


class SignalListener:
    """Whether a signal asked to stop, and whether it may be obeyed at once.

    Attributes:
        received: name of the first signal that asked, or None.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._deferred = self._stopping = False
        self._process = os.getpid()

    def raise_if_received(self) -> None:
        """Stop here, if asked to.

        Raises:
            Interrupted: a signal came.
        """
        if self.received:
            self._stopping = True
            raise Interrupted(self.received)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, a signal is only remembered: whoever works there calls `raise_if_received` where it is safe."""
        self.raise_if_received()
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def install_handlers(self) -> None:
        """Be the only one to hear signals from here on (main thread only)."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a loader process, which has inherited this
            return
        name = signal.Signals(number).name
        again = self.received is not None
        self.received = self.received or name
        if self._stopping:  # a batch system may send it to the study and to its rows: the end is under way
            return
        if not self._deferred or (again and number == signal.SIGINT):
            self.raise_if_received()
        if not again:
            log.warning("%s: stopping after this step, with a checkpoint (Ctrl-C again stops at once)", name)


@contextmanager
def listen_for_signals() -> Iterator[SignalListener]:
    """Hear SIGTERM, SIGUSR1, SIGUSR2 and Ctrl-C inside the block (main thread only)."""
    listener = SignalListener()
    before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    listener.install_handlers()
    try:
        yield listener
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
