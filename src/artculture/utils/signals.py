"""Stop signals available on the platform (Windows has no SIGUSR1 and SIGUSR2)."""

import os
import signal
from types import FrameType

from artculture.utils.errors import Interrupted

# Without Ctrl-C, which Python turns into KeyboardInterrupt.
STOP_SIGNALS = tuple(
    signal.Signals[name] for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if name in signal.Signals.__members__
)


def stop_on_signals() -> None:
    """Raise `Interrupted` on stop signals until a training installs its own handlers."""
    own = os.getpid()

    def stop(number: int, _: FrameType | None) -> None:
        if os.getpid() == own:
            raise Interrupted(signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)  # a forked process, which inherits the handler
        os.kill(os.getpid(), number)

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
