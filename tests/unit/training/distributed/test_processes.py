import os
import subprocess
import sys
import time

import pytest

from artculture.training.distributed import processes
from artculture.training.distributed.context import DistributedContext
from artculture.training.distributed.processes import launched_ranks

TWO = DistributedContext(world_size=2, local_world_size=2)


@pytest.fixture
def ending(monkeypatch):
    """What the started process does instead of training."""

    def by(code: str) -> None:
        def start(rank, context, port, run):
            environment = {**os.environ, **processes._environment(rank, context, port)}
            return subprocess.Popen([sys.executable, "-c", f"import os, time; {code}"], env=environment)

        monkeypatch.setattr(processes, "_start", start)

    return by


def until_death(found):
    deadline = time.monotonic() + 30
    while found.death() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return found.death()


def test_nothing_is_started_where_someone_else_has(tmp_path):
    for context in (DistributedContext(), DistributedContext(1, 2, 1, 2), DistributedContext(0, 2, 0, 2, "torchrun")):
        with launched_ranks(context, tmp_path) as found:
            assert found is None


def test_each_knows_its_place_and_the_first_forgets_its_own(ending, tmp_path):
    ending(f"open({str(tmp_path / 'said')!r}, 'w').write(os.environ['LOCAL_RANK'] + os.environ['WORLD_SIZE'])")
    with launched_ranks(TWO, tmp_path):
        assert (os.environ["RANK"], os.environ["MASTER_ADDR"]) == ("0", "127.0.0.1")
    assert "RANK" not in os.environ
    assert (tmp_path / "said").read_text() == "12"


@pytest.mark.parametrize(
    ("code", "said"), [("os._exit(3)", "ended with exit code 3"), ("os.abort()", "was killed by SIGABRT")]
)
def test_an_early_end_is_noticed(ending, code, said, tmp_path):
    ending(code)
    with launched_ranks(TWO, tmp_path) as found:
        assert until_death(found) == f"the process of device 1 {said}"


def test_whoever_does_not_end_is_killed(ending, monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "PATIENCE_SECONDS", 0.1)
    ending("time.sleep(1000)")
    with launched_ranks(TWO, tmp_path) as found:
        pass
    assert found.running[1].poll() is not None
