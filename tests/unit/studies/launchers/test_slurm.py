import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from artculture.studies.launchers import slurm
from artculture.studies.launchers.slurm import SlurmLauncher
from artculture.training.signals import listen_for_signals
from artculture.utils.errors import InputError
from tests.unit.studies.launchers import fake_slurm

ASKED = ("launcher=slurm", "launcher.partition=gpu")
ENDS = "import sys; sys.exit(3 if sys.argv[1].endswith('bad') else 0)"
# Begins its run, saves on a signal, and ends well at its second turn.
SAVES = """
import json, pathlib, signal, sys, time
here = pathlib.Path(sys.argv[1]); file = here / "status.json"
launches = json.loads(file.read_text()).get("launches", 0) + 1 if file.exists() else 1
def say(state): file.write_text(json.dumps({"state": state, "launches": launches, "error": "by a signal"}))
def save(*_):
    say("interrupted")
    raise SystemExit(75)
for number in (signal.SIGTERM, signal.SIGUSR2): signal.signal(number, save)
say("running")
if launches == 1: time.sleep(600)
say("finished")
"""


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A fake SLURM on PATH; its state's folder."""
    folder = fake_slurm.install(tmp_path / "slurm_programs")
    monkeypatch.setenv("FAKE_SLURM", str(folder))
    monkeypatch.setenv("PATH", f"{folder.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(slurm, "FORCED_CHECK_SECONDS", 0.5)
    slurm.SlurmJob.watcher.clear()  # it remembers jobs of these numbers that have ended
    return folder


def launcher_of(row):
    return SlurmLauncher(row.config.launcher)


def wait_for(reached):
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def directives(queue: Path) -> set[str]:
    (script,) = queue.glob("*.sh")
    lines = script.read_text().splitlines()
    return {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")}


def test_the_script_asks_for_what_the_config_says(queue, row_of, row_does, run_all):
    row_does("")
    asked = [*ASKED, "launcher.minutes=90", "launcher.memory_gb=24", "launcher.cpus=6", "launcher.account=art"]
    asked += ["launcher.qos=high", "launcher.constraint=h100", "launcher.parallel=1", "launcher.signal_seconds=60"]
    asked += ["+launcher.options.exclude=node7", "launcher.setup=['module load cuda']"]
    rows = [row_of("a", *asked), row_of("b", *asked)]
    run_all(launcher_of(rows[0]), rows)
    wanted = "job-name=artculture-default partition=gpu account=art qos=high constraint=h100 time=90 mem=24GB nodes=1 "
    wanted += "ntasks-per-node=1 cpus-per-task=6 gpus-per-node=1 array=0-1%1 signal=USR2@60 requeue exclude=node7"
    assert set(wanted.split()) <= directives(queue)
    assert "\nmodule load cuda\n" in next(queue.glob("*.sh")).read_text()


@pytest.mark.parametrize(("typed", "gpus"), [("trainer=gpu", "2"), ("trainer=cpu", None)])
def test_gpus_follow_the_trainer(row_of, typed, gpus):
    row = row_of("a", *ASKED, typed, "trainer.devices=2")
    assert slurm.slurm_parameters(row).get("gpus_per_node") == (int(gpus) if gpus else None)


def test_rows_run_and_a_failing_one_does_not_stop_the_others(queue, row_of, row_does, run_all):
    row_does(ENDS)
    rows = [row_of(name, *ASKED) for name in ("good", "bad")]
    processes = run_all(launcher_of(rows[0]), rows)
    assert [process.state for process in processes] == ["finished", "failed"]
    assert [process.location for process in processes] == ["job 100_0", "job 100_1"]
    assert (queue / "100_0.state").read_text() in ("RUNNING", "COMPLETED")


def test_a_preempted_row_saves_and_continues_in_its_next_turn(queue, row_of, row_does, run_all):
    row_does(SAVES)
    row = row_of("a", *ASKED)
    sent = []

    def preempt():
        if not sent and row.directory.status()["state"] == "running":
            sent.append(subprocess.run(["scancel", "100", "--signal", "USR2"], check=True))

    (process,) = run_all(launcher_of(row), [row], on_change=preempt)
    assert process.state == "finished"
    assert row.directory.status()["launches"] == 2
    assert len(list(queue.glob("*.sh"))) == 1


@pytest.mark.slow
def test_without_requeue_a_preempted_row_stays_interrupted(queue, row_of, row_does, run_all):
    row_does(SAVES)
    row = row_of("a", *ASKED, "launcher.requeue=false")
    sent = []

    def preempt():
        if not sent and row.directory.status()["state"] == "running":
            sent.append(subprocess.run(["scancel", "100", "--signal", "USR2"], check=True))

    (process,) = run_all(launcher_of(row), [row], on_change=preempt)
    assert process.state == "interrupted"
    assert "no-requeue" in directives(queue)


def interrupted_at(reached):
    """Runs rows until something is reached, then sends Ctrl-C."""

    def run(run_all, row):
        with listen_for_signals() as listener, listener.deferred():

            def ask():
                if reached() and not listener.received:
                    os.kill(os.getpid(), signal.SIGINT)

            return run_all(launcher_of(row), [row], on_change=ask, listener=listener)[0]

    return run


def test_ctrl_c_leaves_jobs_and_the_same_command_watches_them_again(queue, row_of, row_does, run_all):
    row_does(ENDS)
    (queue / "hold").touch()
    row = row_of("a", *ASKED)
    process = interrupted_at(lambda: True)(run_all, row)
    assert (process.state, process.error) == ("left", "continues as job 100; run the same command to monitor it")

    (again,) = run_all(launcher_of(row), [row], on_change=lambda: (queue / "hold").unlink(missing_ok=True))
    assert (again.state, again.location) == ("finished", "job 100")
    assert len(list(queue.glob("*.sh"))) == 1


@pytest.mark.slow
def test_ctrl_c_can_cancel_jobs_which_save_first(queue, row_of, row_does, run_all):
    row_does(SAVES)
    row = row_of("a", *ASKED, "launcher.on_interrupt=cancel")
    process = interrupted_at(lambda: row.directory.status()["state"] == "running")(run_all, row)
    assert process.state == "interrupted"
    wait_for(lambda: (queue / "100.state").read_text().startswith("CANCELLED"))


def test_a_job_that_someone_cancelled_is_not_waited_for(queue, row_of, row_does, run_all):
    row_does(ENDS)
    (queue / "hold").touch()
    row = row_of("a", *ASKED)

    def cancel():
        (queue / "100.cancelled").touch()

    (process,) = run_all(launcher_of(row), [row], on_change=cancel)
    assert process.state == "failed"
    assert process.error == "job 100 ended: CANCELLED by 1000"


def test_a_preempted_job_that_is_not_queued_again_is_not_waited_for(queue, row_of, row_does, run_all, monkeypatch):
    monkeypatch.setattr(slurm, "PREEMPTED_SECONDS", 0.0)
    row_does(ENDS)
    (queue / "hold").touch()
    row = row_of("a", *ASKED)
    (process,) = run_all(launcher_of(row), [row], on_change=lambda: (queue / "100.state").write_text("PREEMPTED"))
    assert (process.state, process.error) == ("failed", "job 100 ended: PREEMPTED")
    (queue / "100.cancelled").touch()


def test_what_a_job_says_that_never_began_its_row_is_pointed_to(queue, row_of, run_all, monkeypatch):
    monkeypatch.setattr("artculture.studies.launchers.process.Path.cwd", lambda: Path("/nowhere"))
    row = row_of("a", *ASKED)
    (process,) = run_all(launcher_of(row), [row])
    assert process.state == "failed"
    assert "no folder /nowhere" in Path(process.error.split("(see ")[1].rstrip(")")).read_text()


def test_slurm_s_refusal_is_passed_on(queue, row_of, run_all):
    (queue / "refuse").write_text("invalid partition specified: gpu")
    row = row_of("a", *ASKED)
    with pytest.raises(InputError, match=r"SLURM refused the jobs: .*invalid partition specified: gpu"):
        run_all(launcher_of(row), [row])


def test_a_machine_without_slurm_learns_what_to_do(row_of, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"no sbatch on this machine.*launcher.cluster=local"):
        launcher_of(row_of("a", *ASKED))
