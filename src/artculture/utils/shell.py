"""Commands in messages, quoted so that they can be pasted into a shell."""

import shlex
import sys


def quoted_argument(text: str) -> str:
    """Return an argument as a shell takes it: quoted where it has to be."""
    if sys.platform == "win32":
        return f'"{text}"' if set(text) & set(" &()^;,='") - {"="} else text
    return shlex.quote(text)


def command_line(*arguments: object) -> str:
    """Return a command that can be pasted into a shell, as in `artculture train 'data.root=my paintings'`."""
    return " ".join(quoted_argument(str(argument)) for argument in arguments)
