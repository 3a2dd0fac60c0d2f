import os
import subprocess
import sys

import pytest

from artculture.training import run_directory as directory_module
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError, WorkError


@pytest.fixture
def run(tmp_path):
    directory = RunDirectory(tmp_path / "study" / "run")
    directory.make()
    return directory


def test_making_leaves_only_the_checkpoints_folder(run):
    run.make()
    assert [path.name for path in run.path.iterdir()] == ["checkpoints"]


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "study").touch()
    with pytest.raises(InputError, match=rf"can't write to {tmp_path}/study/run \(.*study\.root="):
        RunDirectory(tmp_path / "study" / "run").make()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    (tmp_path / "study").mkdir(mode=0o500)
    with pytest.raises(InputError, match="Permission denied"):
        RunDirectory(tmp_path / "study" / "run").make()


def test_a_run_is_pending_until_said_otherwise(tmp_path):
    assert RunDirectory(tmp_path / "nowhere").status() == {"state": "pending"}


def test_status_tells_who_and_when_and_keeps_facts(run):
    run.set_status("running", manifest="abc", epoch=1)
    run.set_status("running", epoch=2)
    status = run.status()
    assert (status["state"], status["manifest"], status["epoch"]) == ("running", "abc", 2)
    assert status["pid"] == os.getpid()
    assert status["updated"] == pytest.approx(run.path.joinpath("status.json").stat().st_mtime, abs=60)


def test_an_error_is_of_its_own_state_alone(run):
    run.set_status("failed", error="out of memory")
    assert run.status()["error"] == "out of memory"
    run.set_status("running")
    assert "error" not in run.status()


@pytest.mark.parametrize("text", ['{"state": "run', "[]", '{"state": "asleep"}', '{"state": "running", "epoch": "x"}'])
def test_a_status_that_is_not_whole_is_named_and_written_again(run, caplog, text):
    (run.path / "status.json").write_text(text)
    assert run.status() == {"state": "unknown"}
    assert "status.json" in caplog.text
    run.set_status("running", epoch=1)
    assert (run.status()["state"], run.status()["epoch"]) == ("running", 1)


@pytest.mark.parametrize("values", [{"seed": 0}, {"a": {"b": [1, 2.5, None, "ü", True]}, "path": "~/x: y"}])
def test_a_config_is_read_as_written(run, values):
    run.write_config(values)
    assert run.read_config() == values


def test_no_config_is_none(run):
    assert run.read_config() is None


@pytest.mark.parametrize("content", [b"{half: [", b"just text", b"\xff\xfe", b""])
def test_a_config_that_is_not_whole_is_named(run, content):
    run.config.write_bytes(content)
    with pytest.raises(InputError, match=rf"{run.config} (?s:.*)resume=never"):
        run.read_config()


def test_clearing_leaves_the_lock_and_the_log(run):
    for file in (run.last, run.best, run.metrics, run.result, run.log, run.path / ".lock", run.path / "status.json"):
        file.write_text("x")
    (run.path / "wandb" / "deep").mkdir(parents=True)
    run.clear()
    assert sorted(path.name for path in run.path.iterdir()) == [".lock", "checkpoints", "train.log"]
    assert list(run.last.parent.iterdir()) == []


def test_clearing_does_not_follow_links(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    (run.path / "link").symlink_to(tmp_path / "elsewhere")
    run.clear()
    assert (tmp_path / "elsewhere" / "precious").exists()
    assert not (run.path / "link").is_symlink()


HOLDER = """
import sys, time
from pathlib import Path
from artculture.training.run_directory import RunDirectory
directory = RunDirectory(Path(sys.argv[1]))
with directory.lock():
    directory.set_status("running")
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(run, monkeypatch):
    """Another process that trains this run."""
    monkeypatch.setattr(directory_module, "LOCK_PATIENCE_SECONDS", 0.2)
    process = subprocess.Popen([sys.executable, "-c", HOLDER, run.path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_one_process_holds_it_until_it_dies(run, holder):
    with pytest.raises(WorkError, match=rf"{run.path} is being trained by process {holder.pid} on "), run.lock():
        pass
    holder.kill()
    holder.wait()
    with run.lock():
        assert run.status()["state"] == "running"


def test_held_again_after_a_failure(run):
    with pytest.raises(ZeroDivisionError), run.lock():
        raise ZeroDivisionError
    with run.lock():
        pass
