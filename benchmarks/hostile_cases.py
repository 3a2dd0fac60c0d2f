"""Framework of the hostile cases: run a command on a hostile input within limits and judge the outcome."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from artculture.models.classifier import CHECKPOINT_FORMAT, CultureClassifier
from artculture.models.tensor_files import save_whole
from benchmarks.speed.watch import REPOSITORY, tree

POLL_SECONDS = 0.01
# A case that takes more is stopped and counts as lost.
MAX_SECONDS = 120.0
MAX_MEGABYTES = 2500.0


@dataclass(frozen=True)
class Ended:
    """A command that has ended.

    Attributes:
        code: exit code, negative for a signal.
        megabytes: peak resident memory of its largest process.
        stopped: why this benchmark stopped it, empty if it ended by itself.
        after_signal: seconds from SIGTERM to the end; None if there was none.
    """

    code: int
    output: str
    seconds: float
    megabytes: float
    stopped: str = ""
    after_signal: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
        lost: number of things that are missing, damaged or hung.
        leaked: number of things that reached the wrong place.
    """

    text: str
    lost: int = 0
    leaked: int = 0


@dataclass(frozen=True)
class Attack:
    """A command with its hostile input, and the check of its outcome.

    Attributes:
        command: what follows `python`, for example `("-m", "artculture", "fetch", …)`.
        check: judges the ended command; an AssertionError counts as lost.
        size: bytes of the hostile input: of the file, or what the server has sent by the end.
        terminate_when: when the command gets one SIGTERM; None for never.
        environment: variables to set.
    """

    command: tuple[str, ...]
    check: Callable[[Ended], Outcome]
    size: Callable[[], int]
    terminate_when: Callable[[], bool] | None = None
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        name: what is hostile, and to whom.
        prepare: context manager that makes the input in an empty folder and keeps its server, if any, running.
        short: whether the tests run it too (a few seconds at most).
    """

    name: str
    prepare: Callable[[Path], AbstractContextManager[Attack]]
    short: bool = True


@dataclass(frozen=True)
class Line:
    """A measured case."""

    name: str
    size: int
    ended: Ended
    outcome: Outcome


def artculture(*arguments: str) -> tuple[str, ...]:
    """Return the command `artculture …` for `Attack`."""
    return ("-m", "artculture", *arguments)


def tiny_checkpoint(folder: Path, backbone: str = "test_resnet", image_size: int = 32) -> Path:
    """Write the checkpoint of an untrained classifier, by default of a few thousand weights."""
    classifier = CultureClassifier(backbone, "timm", ["French", "Dutch"], image_size)
    ours = {"format": CHECKPOINT_FORMAT, "classes": ["French", "Dutch"], "temperature": 1.0}
    content = {"hyper_parameters": dict(classifier.hparams), "state_dict": classifier.state_dict(), "artculture": ours}
    path = folder / "tiny.ckpt"
    save_whole(content, path)
    return path


def message(ended: Ended) -> str:
    """Return the last line of a command's output, which holds its error."""
    lines = ended.output.strip().splitlines()
    return lines[-1] if lines else ""


def measured(case: Case) -> Line:
    """Run a case in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder, case.prepare(Path(folder)) as attack:
        ended = _run(attack, Path(folder))
        if ended.stopped:
            return Line(case.name, attack.size(), ended, Outcome(f"stopped: {ended.stopped}", lost=1))
        try:
            outcome = attack.check(ended)
        except AssertionError as error:
            reason = str(error).strip().splitlines()
            outcome = Outcome(f"{reason[0] if reason else 'wrong'} ({message(ended)})", lost=1)
        return Line(case.name, attack.size(), ended, outcome)


def _run(attack: Attack, folder: Path) -> Ended:
    paths = [str(REPOSITORY / "src"), str(REPOSITORY)]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", **attack.environment}
    with (folder / "output.log").open("w+") as log:
        began = time.monotonic()
        with _started([sys.executable, *attack.command], settings, folder, log.fileno()) as process:
            peak, stopped = 0.0, ""
            signalled_at: float | None = None
            while process.poll() is None:
                seconds = time.monotonic() - began
                peak = max([peak, *map(_peak_megabytes, tree(process.pid))])
                if seconds > MAX_SECONDS or peak > MAX_MEGABYTES:
                    stopped = stopped or f"more than {MAX_SECONDS:g} s or {MAX_MEGABYTES:g} MB"
                    process.kill()
                elif attack.terminate_when and signalled_at is None and attack.terminate_when():
                    signalled_at = seconds
                    process.send_signal(signal.SIGTERM)
                time.sleep(POLL_SECONDS)
            seconds = time.monotonic() - began
        log.seek(0)
        after_signal = None if signalled_at is None else seconds - signalled_at
        return Ended(process.returncode, log.read(), seconds, peak, stopped, after_signal)


@contextmanager
def _started(
    command: list[str], settings: dict[str, str], folder: Path, output: int
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        command, env=settings, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


def _peak_megabytes(pid: int) -> float:
    # Not `getrusage`, which counts what the parent held when it started the process.
    try:
        found = re.search(r"^VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0
