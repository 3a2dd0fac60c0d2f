"""Exceptions that `cli` turns into one message and an exit code."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Wrong user input; the message names the problem and the fix. Exit code 2."""


class WorkError(Exception):
    """Failure of the work itself, with correct input. Exit code 1."""


class Interrupted(BaseException):
    """Stopped by a signal, with the state saved for a resume.

    Not an `Exception`, like KeyboardInterrupt, so that `except Exception` does not catch it.

    Attributes:
        signal_name: name of the signal.
        code: exit code: 130 after Ctrl-C, else 75 (EX_TEMPFAIL: batch systems may queue the command again).
    """

    def __init__(self, signal_name: str) -> None:
        super().__init__(f"interrupted by {signal_name}")
        self.signal_name = signal_name
        self.code = 130 if signal_name == "SIGINT" else 75


def reason_of(error: BaseException) -> str:
    """Return the first line of an error's message, or its class name if the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def nearest(wrong: str, options: Iterable[str]) -> str | None:
    """Return the option that a word begins, else the one that is spelled most like it; None if none is."""
    listed = list(options)
    begun = [option for option in listed if len(wrong) > 2 and option.startswith(wrong)]
    near = sorted(begun, key=len) or difflib.get_close_matches(wrong, listed, n=1, cutoff=0.6)
    return near[0] if near else None


def choices_hint(wrong: str, valid: Iterable[str], *, shown: int = 12) -> str:
    """Return a hint with the nearest valid option, or with the valid options if none is near."""
    options = sorted(valid)
    near = nearest(wrong, options)
    if near:
        return f"did you mean `{near}`?"
    more = f" … ({len(options)} in all)" if len(options) > shown else ""
    return f"choose from: {', '.join(options[:shown])}{more}"
