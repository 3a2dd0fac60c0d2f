"""Stop signals during training: recorded, and handled at the end of a step, where everything can be saved."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from artculture.utils.errors import Interrupted
from artculture.utils.signals import STOP_SIGNALS, is_ignored

log = logging.getLogger(__name__)

SIGNALS = (*STOP_SIGNALS, signal.SIGINT)


class SignalListener:
    """Record stop signals, and raise `Interrupted` at once unless handling is deferred.

    Attributes:
        received: name of the first stop signal, or None.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._deferred = self._stopping = False
        self._process = os.getpid()

    def raise_if_received(self) -> None:
        """Stop if a signal was received.

        Raises:
            Interrupted: a signal was received.
        """
        if self.received:
            self._stopping = True
            raise Interrupted(self.received)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Only record signals inside the block, which calls `raise_if_received` where it is safe to stop."""
        self.raise_if_received()
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def install_handlers(self) -> None:
        """Replace the handlers of all stop signals by this listener (main thread only)."""
        for number in SIGNALS:
            if not is_ignored(number):
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a data-loading process, which inherits the handlers
            return
        name = signal.Signals(number).name
        repeated = self.received is not None
        self.received = self.received or name
        if self._stopping:  # already stopping; a batch system may signal both the study and its runs
            return
        if not self._deferred or (repeated and number == signal.SIGINT):
            self.raise_if_received()
        if not repeated:
            log.warning("%s: stopping after this step, with a checkpoint (Ctrl-C again stops at once)", name)


@contextmanager
def listen_for_signals() -> Iterator[SignalListener]:
    """Handle SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and Ctrl-C inside the block (main thread only)."""
    listener = SignalListener()
    before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    listener.install_handlers()
    try:
        yield listener
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
