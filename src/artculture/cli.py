"""`artculture <command> [overrides]`: finds the command, turns what went wrong into a message and a code.

Nothing heavy is imported here: `artculture --help` must answer at once.
"""

import gc
import os
import sys
import traceback
from importlib import import_module

from artculture import __version__
from artculture.utils.errors import InputError, Interrupted, WorkError, choices_hint
from artculture.utils.garbage import collect_garbage_rarely
from artculture.utils.secrets import hidden
from artculture.utils.signals import stop_on_signals

COMMANDS = {
    "fetch": "bring a museum's open-access paintings and their labels onto this machine",
    "curate": "flag what is no painting, review it in the browser, apply exclusions, print Table 1",
    "shard": "write paintings as shards, in a folder or an object store, to train on with data=shards",
    "train": "train one run, or a grid of runs, and print the table",
    "run": "train or resume one run by its folder",
    "search": "find a row's learning rates, batch size, schedule and epochs by validation accuracy",
    "evaluate": "all test metrics of a checkpoint, on its own paintings or any others",
    "compare": "rebuild a study's results.csv and results.md from its run directories",
    "analyze": "look inside a trained model: feature maps, culture distances, graph, chords, map of paintings",
    "report": "write a study's report.html and report.md: tables, curves, figures, wrongest predictions",
    "predict": "the likeliest cultures of any pictures: files, folders, globs, addresses",
}

USAGE = """\
artculture {version}: which culture painted this?

usage: artculture <command> [group=option] [key=value] [flags]

commands:
{commands}

`artculture <command> --help` shows a command's choices and values.
First steps: artculture train study=table2 data=sample
"""


def usage() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{what}" for name, what in COMMANDS.items()]
    return USAGE.format(version=__version__, commands="\n".join(lines))


def main(argv: list[str]) -> int:
    """Run one command.

    Returns:
        0 well; 1 the work failed; 2 the user's input was wrong; 75 told to stop by a signal; 130 by Ctrl-C.
    """
    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return 0 if argv else 2
    if argv[0] in ("-V", "--version"):
        sys.stdout.write(f"artculture {__version__}\n")
        return 0
    try:
        if argv[0] not in COMMANDS:
            raise InputError(f"no command `{argv[0]}`: {choices_hint(argv[0], COMMANDS)}")
        code: int = import_module(f"artculture.commands.{argv[0]}").run(argv[1:])
        return code
    except (InputError, WorkError) as error:
        _report(error, str(error))
        return 2 if isinstance(error, InputError) else 1
    except SystemExit as stop:  # argparse's own: it has said what was wrong
        return stop.code if isinstance(stop.code, int) else 2
    except Interrupted as stop:
        sys.stderr.write(f"artculture: {stop}; the same command again goes on from here\n")
        return stop.code
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; the same command again goes on from here\n")
        return 130
    except BrokenPipeError:  # the reader of our output (`| head`) went away
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - keeps Python's exit from flushing into the pipe
        return 0
    except Exception as error:
        _report(error, f"{type(error).__name__}: {error} (ARTCULTURE_DEBUG=1 shows where)")
        return 1


def entry() -> None:
    collect_garbage_rarely()
    stop_on_signals()
    code = main(sys.argv[1:])
    # The interpreter looks for garbage once more before it ends, for seconds; everything ends with it anyway.
    gc.freeze()
    sys.exit(code)


def _report(error: BaseException, message: str) -> None:
    if os.environ.get("ARTCULTURE_DEBUG") == "1":
        sys.stderr.write(hidden("".join(traceback.format_exception(error))))
    sys.stderr.write(f"artculture: {hidden(message)}\n")
