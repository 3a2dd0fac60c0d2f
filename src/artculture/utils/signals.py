"""The signals that ask a command to stop, as far as the platform has them (Windows has no SIGUSR1 and SIGUSR2)."""

import signal

# Without Ctrl-C, which Python turns into KeyboardInterrupt.
STOP_SIGNALS = tuple(
    signal.Signals[name] for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if name in signal.Signals.__members__
)
