"""SLURM's programs as far as a submission needs them: a queue of this machine, its state as files in $FAKE_SLURM.

As in SLURM, a signal goes to every process of a job's steps, a cancelled job gets SIGTERM and killed a while
later, a requeued one runs the same script again, and accounting has a line a job.
"""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

PROGRAMS = ("sbatch", "srun", "sacct", "scancel", "scontrol")
KILL_WAIT_SECONDS = 3.0


def install(folder: Path) -> Path:
    """Put the programs into a folder for PATH; returns the folder of the queue's state."""
    (folder / "queue").mkdir(parents=True)
    for name in PROGRAMS:
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} {name} "$@"\n')
        program.chmod(0o755)
    return folder / "queue"


class Job:
    def __init__(self, job: str) -> None:
        self.id, self.queue = job, Path(os.environ["FAKE_SLURM"])

    def mark(self, name: str) -> Path:
        return self.queue / f"{self.id}.{name}"

    @property
    def state(self) -> str:
        return self.mark("state").read_text()

    @state.setter
    def state(self, value: str) -> None:
        self.mark("new").write_text(value)
        self.mark("new").replace(self.mark("state"))

    def signal(self, number: int) -> None:
        """Send it to all processes of the job but the batch script itself."""
        session = int(self.mark("session").read_text())
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[3]) == session and int(stat.parent.name) != session:
                    os.kill(int(stat.parent.name), number)

    def run(self, script: str, variables: dict[str, str]) -> None:
        """One turn after another until it is over."""
        while True:
            while (self.queue / "hold").exists() and not self.mark("cancelled").exists():
                time.sleep(0.05)
            if self.mark("cancelled").exists():
                self.state = "CANCELLED by 1000"
                return
            environment = {**os.environ, **variables, "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
            with Path(os.devnull).open("w") as out:
                batch = subprocess.Popen(
                    ["bash", script], env=environment, stdout=out, stderr=out, start_new_session=True
                )
            self.mark("session").write_text(str(batch.pid))
            self.state = "RUNNING"
            self._watch(batch)
            if self.mark("requeue").exists():
                self.mark("requeue").unlink()
                self.state = "PENDING"
                continue
            cancelled = self.mark("cancelled").exists()
            self.state = "CANCELLED by 1000" if cancelled else "FAILED" if batch.returncode else "COMPLETED"
            return

    def _watch(self, batch: "subprocess.Popen[bytes]") -> None:
        signalled: float | None = None
        while batch.poll() is None:
            time.sleep(0.05)
            if self.mark("cancelled").exists() and signalled is None:
                signalled = time.monotonic()
                self.signal(signal.SIGTERM)
            if signalled is not None and time.monotonic() > signalled + KILL_WAIT_SECONDS:
                self.signal(signal.SIGKILL)


def sbatch(script: str) -> None:
    queue = Path(os.environ["FAKE_SLURM"])
    if (queue / "refuse").exists():
        sys.exit(f"sbatch: error: {(queue / 'refuse').read_text()}")
    number = 100 + len(list(queue.glob("*.sh")))
    (queue / f"{number}.sh").write_text(Path(script).read_text())
    array = re.search(r"--array=0-(\d+)%", Path(script).read_text())
    ids = [f"{number}_{index}" for index in range(int(array[1]) + 1)] if array else [str(number)]
    for one in ids:
        Job(one).state = "PENDING"
        command = [sys.executable, __file__, "daemon", one, str(queue / f"{number}.sh")]
        quiet = subprocess.DEVNULL
        subprocess.Popen(command, start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet)
    sys.stdout.write(f"Submitted batch job {number}\n")


def daemon(job: str, script: str) -> None:
    main, _, index = job.partition("_")
    variables = {"SLURM_JOB_ID": f"{main}9{index}" if index else main}
    if index:
        variables |= {"SLURM_ARRAY_JOB_ID": main, "SLURM_ARRAY_TASK_ID": index}
    Job(job).run(script, variables)


def srun(*arguments: str) -> None:
    files, rest = {}, list(arguments)
    while rest[0].startswith("-"):
        flag = rest.pop(0)
        if flag in ("--output", "--error"):
            files[flag] = rest.pop(0)
    names = {"%A": "SLURM_ARRAY_JOB_ID", "%a": "SLURM_ARRAY_TASK_ID", "%j": "SLURM_JOB_ID", "%t": "SLURM_PROCID"}
    for flag, number in (("--output", 1), ("--error", 2)):
        name = re.sub("%.", lambda found: os.environ[names[found[0]]], files[flag])
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.execvp(rest[0], rest)


def sacct(*arguments: str) -> None:
    asked = [value for flag, value in pairwise(arguments) if flag == "-j"]
    sys.stdout.write("JobID|State|NodeList\n")
    for file in sorted(Path(os.environ["FAKE_SLURM"]).glob("*.state")):
        job = file.name.removesuffix(".state")
        if job.split("_")[0] in asked:
            sys.stdout.write(f"{job}|{file.read_text()}|node1\n{job}.batch|{file.read_text()}|node1\n")


def scancel(job: str, *rest: str) -> None:
    if rest:
        Job(job).signal(signal.Signals[rest[1] if rest[1].startswith("SIG") else f"SIG{rest[1]}"])
    else:
        Job(job).mark("cancelled").touch()


def scontrol(action: str, job: str) -> None:
    assert action == "requeue"
    Job(job).mark("requeue").touch()


if __name__ == "__main__":
    known = {f.__name__: f for f in (sbatch, daemon, srun, sacct, scancel, scontrol)}
    known[sys.argv[1]](*sys.argv[2:])
