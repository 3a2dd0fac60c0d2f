"""Stop signals available on the platform (Windows has no SIGHUP, SIGUSR1 and SIGUSR2)."""

import os
import signal
from types import FrameType

from artculture.utils.errors import Interrupted

# Without Ctrl-C, which Python turns into KeyboardInterrupt.
STOP_SIGNALS = tuple(
    signal.Signals[name] for name in ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2") if name in signal.Signals.__members__
)


def is_ignored(number: signal.Signals) -> bool:
    """Return whether the starter of this process ignores a signal: SIGHUP by `nohup`."""
    return number.name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN


def stop_on_signals() -> None:
    """Raise `Interrupted` on stop signals until a training installs its own handlers."""
    own = os.getpid()

    def stop(number: int, _: FrameType | None) -> None:
        if os.getpid() == own:
            raise Interrupted(signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)  # a forked process, which inherits the handler
        os.kill(os.getpid(), number)

    for number in STOP_SIGNALS:
        if not is_ignored(number):
            signal.signal(number, stop)
