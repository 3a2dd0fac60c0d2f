import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray

from artculture.config.composition import resolved
from artculture.config.schema.train import TrainConfig
from artculture.config.validation import validated
from artculture.studies.launchers.process import run_command
from artculture.studies.launchers.ray import RayLauncher, falls_back_to_cpu, ray_resources
from artculture.studies.launchers.ray_task import execute_run
from artculture.training.signals import listen_for_signals
from artculture.utils.errors import InputError
from tests.fixtures.runs import compose_once

ASKED = ("launcher=ray", "launcher.cpus=1", "trainer=cpu")
# Tells its worker, waits in its first turn for whatever comes, ends well in its second.
TURNS = """
import json, os, pathlib, signal, sys, time
from artculture.utils.child_process import end_with_study
here = pathlib.Path(sys.argv[1]); file = here / "status.json"
launches = json.loads(file.read_text()).get("launches", 0) + 1 if file.exists() else 1
def say(state):
    temporary = here / "new"
    temporary.write_text(json.dumps({"state": state, "launches": launches, "worker": os.getppid(), "error": "saved"}))
    temporary.replace(file)
def save(*_):
    say("interrupted")
    raise SystemExit(75)
signal.signal(signal.SIGTERM, save)
end_with_study()
say("running")
if launches == 1: time.sleep(600)
say("finished")
"""


def launcher_of(*overrides):
    return validated(TrainConfig, resolved(compose_once("train", *overrides))).launcher


@pytest.fixture(scope="module")
def cluster():
    with RayLauncher(launcher_of(*ASKED)) as launcher:
        yield launcher


class Task:
    """A task of the stub: the run's process without a worker around it."""

    def __init__(self, command):
        self.process, self.cancelled = command.start(), False

    def task_id(self):
        return b"0123456789"


@pytest.fixture
def stub(monkeypatch):
    """A launcher whose cluster is this process; the tests of a real one are slow."""
    module = "artculture.studies.launchers.ray.ray"

    def get(task):
        if task.cancelled:
            raise ray.exceptions.TaskCancelledError
        return task.process.wait()

    def cancel(task, force=False):
        task.cancelled = True
        task.process.kill() if force else task.process.terminate()

    remote = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=Task))
    monkeypatch.setattr(f"{module}.init", lambda **_: None)
    monkeypatch.setattr(f"{module}.shutdown", lambda: None)
    monkeypatch.setattr(f"{module}.cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(f"{module}.remote", lambda _: remote)
    monkeypatch.setattr(
        f"{module}.wait", lambda tasks, **_: ([one for one in tasks if one.process.poll() is not None], [])
    )
    monkeypatch.setattr(f"{module}.get", get)
    monkeypatch.setattr(f"{module}.cancel", cancel)
    with RayLauncher(launcher_of(*ASKED)) as launcher:
        yield launcher


ENDS = "import os, sys; print(repr(os.environ['CUDA_VISIBLE_DEVICES'])); sys.exit(sys.argv[1].endswith('bad'))"


def check_ends(launcher, row_of, row_does, run_all):
    row_does(ENDS)
    processes = run_all(launcher, [row_of(name, *ASKED) for name in ("bad", "good")])
    assert [process.state for process in processes] == ["failed", "finished"]
    assert processes[0].error == "''"
    assert all(process.location.startswith("task ") for process in processes)


def test_each_run_is_a_task(stub, row_of, row_does, run_all):
    check_ends(stub, row_of, row_does, run_all)


def test_a_stopped_run_saves(stub, row_of, row_does, run_all):
    row_does(TURNS)
    row = row_of("a", *ASKED)
    with listen_for_signals() as listener, listener.deferred():

        def ask():
            if row.directory.status()["state"] == "running" and not listener.received:
                os.kill(os.getpid(), signal.SIGINT)

        (process,) = run_all(stub, [row], on_change=ask, listener=listener)
    assert process.state == "interrupted"


def test_a_task_executes_a_run_and_ends_it_when_cancelled(row_of, row_does, monkeypatch):
    monkeypatch.setattr("artculture.studies.launchers.ray_task.POLL_SECONDS", 0.01)
    row, handler = row_of("a", *ASKED), signal.getsignal(signal.SIGINT)
    row.directory.make()
    try:
        row_does("raise SystemExit(3)")
        assert execute_run(run_command(row, threads=None)) == 3
        row_does("import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(600)")
        with pytest.raises(KeyboardInterrupt):
            execute_run(run_command(row, threads=None))
    finally:
        signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize(("typed", "gpus"), [("trainer=cpu", 0), ("trainer=gpu", 2)])
def test_gpus_follow_the_trainer(row_of, typed, gpus):
    asked = ray_resources(row_of("a", "launcher=ray", typed, "trainer.devices=2", "launcher.memory_gb=1.5"))
    assert asked == {"num_gpus": gpus, "num_cpus": 2, "memory": 3 * 2**29}
    assert ray_resources(row_of("a", "launcher=ray", "launcher.gpus=4"))["num_gpus"] == 4


@pytest.mark.parametrize(
    ("typed", "falls_back"), [((), True), (("trainer=gpu",), False), (("launcher.gpus=1",), False)]
)
def test_the_default_trainer_falls_back_to_the_cpu(row_of, typed, falls_back):
    assert falls_back_to_cpu(row_of("a", "launcher=ray", *typed)) is falls_back


@pytest.mark.slow
def test_a_machine_without_a_gpu_trains_the_default_trainer(cluster, row_of, row_does, run_all):
    row_does("import os; print(repr(os.environ['CUDA_VISIBLE_DEVICES'])); raise SystemExit(1)")
    (process,) = run_all(cluster, [row_of("a", "launcher=ray", "launcher.cpus=1")])
    assert process.error == "''"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux")
def test_a_local_cluster_listens_on_loopback_alone(cluster):
    psutil = pytest.importorskip("psutil")
    cluster_processes = psutil.Process().children(recursive=True)
    sockets = [socket for process in cluster_processes for socket in process.net_connections("inet")]
    hosts = {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}
    assert hosts
    assert hosts <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


@pytest.mark.slow
def test_rows_run_and_a_failing_one_does_not_stop_the_others(cluster, row_of, row_does, run_all):
    check_ends(cluster, row_of, row_does, run_all)


@pytest.mark.slow
def test_a_row_whose_worker_dies_continues_with_another(cluster, row_of, row_does, run_all):
    row_does(TURNS)
    row, killed = row_of("a", *ASKED), []

    def kill():
        status = row.directory.status()
        if not killed and status["state"] == "running":
            killed.append(status["worker"])
            os.kill(status["worker"], signal.SIGKILL)

    (process,) = run_all(cluster, [row], on_change=kill)
    assert process.state == "finished"
    assert row.directory.status()["launches"] == 2
    assert row.directory.status()["worker"] not in killed


@pytest.mark.slow
def test_ctrl_c_has_running_rows_save_and_takes_waiting_ones_back(cluster, row_of, row_does, run_all):
    row_does(TURNS)
    rows = [row_of(str(n), *ASKED) for n in range(os.cpu_count() + 1)]
    with listen_for_signals() as listener, listener.deferred():

        def ask():
            running = [row for row in rows if row.directory.status()["state"] == "running"]
            if len(running) == os.cpu_count() and not listener.received:
                os.kill(os.getpid(), signal.SIGINT)

        processes = run_all(cluster, rows, on_change=ask, listener=listener)
    assert sorted(process.state for process in processes) == ["interrupted"] * os.cpu_count() + ["skipped"]


def test_a_row_that_could_never_start_is_refused(stub, row_of, run_all):
    with pytest.raises(InputError, match=r"launcher.cpus=4096, but .* has \d+: a run could never start"):
        run_all(stub, [row_of("a", *ASKED, "launcher.cpus=4096")])


@pytest.mark.slow
def test_a_host_without_the_folder_is_named(cluster, row_of, run_all, monkeypatch):
    monkeypatch.setattr("artculture.studies.launchers.process.Path.cwd", lambda: Path("/nowhere"))
    (process,) = run_all(cluster, [row_of("a", *ASKED)])
    assert process.state == "failed"
    assert process.error.startswith("no folder /nowhere on ")


def test_an_address_without_a_cluster_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("ray.init", lambda **_: (_ for _ in ()).throw(ConnectionError("no answer")))
    launcher = RayLauncher(launcher_of("launcher=ray", "launcher.address=head:6379"))
    with pytest.raises(InputError, match=r"no Ray cluster at launcher.address=head:6379 \(no answer\)"):
        launcher.__enter__()
    assert not Path("outputs").exists()
