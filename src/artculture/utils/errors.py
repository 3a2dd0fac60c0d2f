"""The ways a command ends badly; `cli` turns them into one message and an exit code."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """The user's input is wrong: the message names the thing and the mend. Exit code 2."""


class WorkError(Exception):
    """The input was right, the work failed all the same. Exit code 1."""


class Interrupted(BaseException):
    """Told to stop by a signal, with all work saved that can be gone on from.

    Like KeyboardInterrupt no `Exception`, so that nothing on the way takes it for an error.

    Attributes:
        signal_name: of the signal.
        code: exit code: 130 after Ctrl-C, else 75 (EX_TEMPFAIL: batch systems may queue the command again).
    """

    def __init__(self, signal_name: str) -> None:
        super().__init__(f"interrupted by {signal_name}")
        self.signal_name = signal_name
        self.code = 130 if signal_name == "SIGINT" else 75


def reason_of(error: BaseException) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def choices_hint(wrong: str, valid: Iterable[str], *, shown: int = 12) -> str:
    """The nearest valid spelling of `wrong`, or else the list of valid ones."""
    options = sorted(valid)
    near = difflib.get_close_matches(wrong, options, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    more = f" … ({len(options)} in all)" if len(options) > shown else ""
    return f"choose from: {', '.join(options[:shown])}{more}"
