"""Command line `artculture <command> [overrides]`: runs a command, maps exceptions to messages and exit codes.

Imports are kept light, so that `artculture --help` appears at once.
"""

import gc
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

from artculture import __version__
from artculture.utils.errors import InputError, Interrupted, WorkError, choices_hint
from artculture.utils.garbage import collect_garbage_rarely
from artculture.utils.import_path import import_from
from artculture.utils.secrets import hidden
from artculture.utils.signals import stop_on_signals
from artculture.utils.streams import keep_streams
from artculture.utils.visible_text import visible

# By step of the work: pictures, models, studies, use.
GROUPS = {
    "Pictures": {
        "fetch": "download open-access paintings and their labels from museums",
        "curate": "flag objects that are not paintings, review them in the browser, apply exclusions, print Table 1",
        "audit": "rank likely label errors, outliers and near-duplicates with two labels, by out-of-fold predictions",
        "shard": "write paintings as shards to a folder or an object store, for data=shards",
    },
    "Models": {
        "train": "train one run or a grid of runs, and print the table of results",
        "run": "train or resume one run by its folder",
        "search": "tune learning rates, batch size, schedule and epochs of a run by validation accuracy",
        "sweep": "write a Weights & Biases sweep over the same values (sweep init), for `wandb agent`",
    },
    "Results": {
        "compare": "rebuild a study's results.csv and results.md from its run directories, with paired tests",
        "ensemble": "average finished runs of a study into a row of its table and one checkpoint",
        "evaluate": "compute all test metrics of a checkpoint, on its own or other paintings",
        "analyze": "write figures of a trained model: feature maps, distances, graph, chords, map of paintings",
        "report": "write a study's report.html and report.md: tables, curves, figures, worst predictions",
        "dashboard": "make or update a study's workspace and report in Weights & Biases",
    },
    "Use": {
        "explain": "draw what of a picture a prediction rests on: feature map, Grad-CAM, attention rollout, occlusion",
        "index": "write a feature index of paintings, for searches for similar ones",
        "export": "write a checkpoint as one ONNX or torch.export file, compared with the checkpoint on real pictures",
        "card": "write the model card of a run: data, recall per class, calibration, baselines, limits",
        "publish": "upload a run's model with its card to the Hugging Face Hub, or write the folder",
        "serve": "answer on a web page and by a JSON API, on this machine: drop a picture, see its classes",
        "predict": "print the most probable classes of any pictures: files, folders, globs, URLs",
    },
    "Machine": {
        "doctor": "show versions, devices, speed, caches and which services answer, and list what to fix",
        "clean": "list what the cache holds, and delete it",
    },
}
COMMANDS = {name: what for commands in GROUPS.values() for name, what in commands.items()}

USAGE = """\
artculture {version}: classify paintings by culture

usage: artculture <command> [group=option] [key=value] [flags]
{commands}
First steps:
  artculture train study=table2 data=sample                       the six runs of the paper, on drawn pictures
  artculture train data=folder data.root=PICTURES                 your own: a folder per class, or a table
  artculture report study.name=table2                             tables, curves and figures on one page

`artculture <command> --help` shows a command's choices and values.
"""


def usage() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = []
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:<{width}}{what}" for name, what in commands.items())]
    return USAGE.format(version=__version__, commands="\n".join([*lines, ""]))


def main(argv: list[str]) -> int:
    """Run one command.

    Returns:
        The exit code: 0 done; 1 the work failed; 2 wrong input; 75 stopped by a signal; 130 stopped by Ctrl-C.
    """
    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return 0 if argv else 2
    if argv[0] in ("-V", "--version"):
        sys.stdout.write(f"artculture {__version__}\n")
        return 0
    try:
        if argv[0] in ("-sc", "--shell-completion"):
            return _complete(argv)
        if argv[0] not in COMMANDS:
            raise InputError(f"no command `{argv[0]}`: {choices_hint(argv[0], COMMANDS)}")
        import_from(Path.cwd())
        code: int = import_module(f"artculture.commands.{argv[0]}").run(argv[1:])
        return code
    except (InputError, WorkError) as error:
        _report(error, str(error))
        return 2 if isinstance(error, InputError) else 1
    except SystemExit as stop:  # argparse has printed its message
        return stop.code if isinstance(stop.code, int) else 2
    except Interrupted as stop:
        sys.stderr.write(f"artculture: {stop}; run the same command to continue\n")
        return stop.code
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; run the same command to continue\n")
        return 130
    except BrokenPipeError:  # the reader of the output (`| head`) has exited
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - keeps Python's exit from flushing into the pipe
        return 0
    except Exception as error:
        _report(error, f"{type(error).__name__}: {error} (ARTCULTURE_DEBUG=1 shows where)")
        return 1


def _complete(argv: list[str]) -> int:
    """Install Hydra's shell completion, or answer its question about the line that is being typed."""
    line = os.environ.get("COMP_LINE", "")
    program, _, typed = line.lstrip().partition(" ")
    command, space, rest = typed.lstrip().partition(" ")
    if not any(text.startswith("query=") for text in argv):
        command = "train"  # the script is the same for all
    elif not space or command not in COMMANDS or command == "run":
        names = [name for name in COMMANDS if name.startswith(command)] if not space else []
        sys.stdout.write(" ".join(names) + "\n")
        return 0
    else:
        os.environ["COMP_LINE"] = f"{program} {rest}"
    code: int = import_module(f"artculture.commands.{command}").run(argv)
    return code


def entry() -> None:
    collect_garbage_rarely()
    keep_streams(stdout=sys.argv[1:2] != ["predict"])  # which stops where the reader of its output does
    stop_on_signals()
    code = main(sys.argv[1:])
    # Skips the final garbage collection at exit, which takes seconds.
    gc.freeze()
    sys.exit(code)


def _report(error: BaseException, message: str) -> None:
    if os.environ.get("ARTCULTURE_DEBUG") == "1":
        sys.stderr.write(visible(hidden("".join(traceback.format_exception(error)))))
    sys.stderr.write(f"artculture: {visible(hidden(message))}\n")
