import json
import os
import socket
import subprocess
import sys
import time

import pytest

from artculture.training import run_lock as lease_module
from artculture.training.run_lock import RunLock, RunLockedError, is_locked, owner_file, read_owner

HOLDER = """
import sys, time
from pathlib import Path
from artculture.training.run_lock import RunLock
with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def owned(tmp_path):
    """A folder whose owner's file says this, with a heartbeat so many seconds old."""

    def write(host: str, age: float) -> None:
        owner_file(tmp_path).write_text(json.dumps({"host": host, "pid": 7, "token": "theirs"}))
        os.utime(owner_file(tmp_path), (time.time() - age,) * 2)

    return write


def test_a_holder_says_who_it_is_and_leaves_nothing_behind(tmp_path):
    with RunLock(tmp_path) as lock:
        assert (read_owner(tmp_path)["host"], read_owner(tmp_path)["pid"]) == (socket.gethostname(), os.getpid())
        assert lock.is_owned()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_living_process_is_left_alone_and_a_dead_one_followed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        assert is_locked(tmp_path)
        with pytest.raises(RunLockedError, match=f"process {process.pid} on"), RunLock(tmp_path):
            pass
        process.kill()
    assert not is_locked(tmp_path)
    with RunLock(tmp_path):
        assert read_owner(tmp_path)["pid"] == os.getpid()


def test_another_host_is_believed_while_its_heart_beats(tmp_path, owned):
    owned("elsewhere", age=5)
    assert is_locked(tmp_path)
    with pytest.raises(RunLockedError, match="process 7 on elsewhere"), RunLock(tmp_path):
        pass
    assert read_owner(tmp_path)["token"] == "theirs"


@pytest.mark.parametrize(("host", "age"), [("elsewhere", lease_module.STALE_SECONDS + 5), (socket.gethostname(), 0)])
def test_a_dead_owner_is_followed(tmp_path, owned, host, age):
    owned(host, age)
    assert not is_locked(tmp_path)
    with RunLock(tmp_path) as lock:
        assert lock.is_owned()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_where_no_locks_are_seen_one_of_two_gets_it(tmp_path, monkeypatch):
    class NoLock:
        def __init__(self, *_):
            pass

        def acquire(self, **_):
            raise NotImplementedError

    monkeypatch.setattr(lease_module, "FileLock", NoLock)
    with RunLock(tmp_path), pytest.raises(RunLockedError), RunLock(tmp_path):
        pass
    with RunLock(tmp_path):
        assert is_locked(tmp_path)


def test_the_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(lease_module, "HEARTBEAT_SECONDS", 0.01)
    with RunLock(tmp_path):
        os.utime(owner_file(tmp_path), (0, 0))
        deadline = time.monotonic() + 30
        while owner_file(tmp_path).stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_sleeper_learns_that_it_was_followed(tmp_path, owned):
    with RunLock(tmp_path) as lock:
        owned("elsewhere", age=0)
        assert not lock.is_owned()
    assert read_owner(tmp_path)["token"] == "theirs"


@pytest.mark.parametrize("content", ["", "{half", "[]", '{"host": "x"}'])
def test_an_owner_file_that_is_not_whole_holds_nothing(tmp_path, content):
    owner_file(tmp_path).write_text(content)
    assert not is_locked(tmp_path)
    with RunLock(tmp_path) as lock:
        assert lock.is_owned()
