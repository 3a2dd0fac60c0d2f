"""Stop signals during training: recorded, and handled at the end of a step, where everything can be saved."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from artculture.utils.errors import Interrupted
from artculture.utils.signals import STOP_SIGNALS, is_ignored

log = logging.getLogger(__name__)

SIGNALS = (*STOP_SIGNALS, signal.SIGINT)
# How long a step may wait for its batch after a signal, before the run stops without a further checkpoint.
BATCH_PATIENCE_SECONDS = 10.0


class SignalListener:
    """Record stop signals, and raise `Interrupted` at once unless handling is deferred.

    Attributes:
        received: name of the first stop signal, or None.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._deferred = self._stopping = False
        self._process = os.getpid()
        self._reminding, self._ended = False, threading.Event()
        self._reminder: threading.Thread | None = None

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
        reminded, self._reminding = self._reminding, False
        if reminded and not _waits_for_batch(frame):
            return
        if reminded or not self._deferred or (repeated and number == signal.SIGINT):
            self.raise_if_received()
        if not repeated:
            log.warning("%s: stopping after this step, with a checkpoint (Ctrl-C again stops at once)", name)
            self._reminder = threading.Thread(target=self._remind, name="signal reminder", daemon=True)
            self._reminder.start()

    def _remind(self) -> None:
        """Signal the main thread again and again, whose handler then stops a wait for a batch that never comes."""
        main = threading.main_thread().ident
        assert main is not None
        while not self._ended.wait(BATCH_PATIENCE_SECONDS):
            self._reminding = True
            signal.pthread_kill(main, signal.SIGTERM)

    def end_reminders(self) -> None:
        """Send no further reminders, before other handlers are installed."""
        self._ended.set()
        if self._reminder is not None:
            self._reminder.join()


def _waits_for_batch(frame: FrameType | None) -> bool:
    """Return whether a stack is inside a data loader. torch offers no way to end its wait for a loader process."""
    while frame is not None:
        if frame.f_code.co_name == "__next__" and frame.f_globals.get("__name__") == "torch.utils.data.dataloader":
            return True
        frame = frame.f_back
    return False


@contextmanager
def listen_for_signals() -> Iterator[SignalListener]:
    """Handle SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and Ctrl-C inside the block (main thread only)."""
    listener = SignalListener()
    before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    listener.install_handlers()
    try:
        yield listener
    finally:
        listener.end_reminders()
        for number, handler in before.items():
            signal.signal(number, handler)
