import os
import subprocess
import sys

import pytest

from artculture.utils.child_process import RUN_OF_STUDY

KEPT = """
import pathlib, sys
import numpy as np
from artculture.utils.hardware import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
before = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
np.ones(16 << 20)
print(int(pathlib.Path("/proc/self/statm").read_text().split()[1]) - before)
"""


def kept(how, **environment):
    """Bytes that stay with the process after an array of 128 MiB is freed."""
    command = [sys.executable, "-c", KEPT, how]
    pages = int(subprocess.check_output(command, env={**os.environ, **environment}, text=True))
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_freed_memory_is_used_again():
    assert kept("as usual") < 10 << 20
    assert kept("keep") > 100 << 20
    assert kept("keep", MALLOC_TOP_PAD_="0") < 10 << 20  # the user's own setting wins


@pytest.mark.parametrize("of_study", [False, True])
def test_a_training_keeps_freed_memory_alone_and_in_a_study(of_study, train, monkeypatch):
    steps = []
    monkeypatch.setattr("artculture.utils.hardware.keep_freed_memory", lambda: steps.append("keep"))
    monkeypatch.setattr("artculture.training.run.train_run", lambda *_: steps.append("train"))
    monkeypatch.setattr("artculture.studies.study.show_table", lambda _: None)
    monkeypatch.setattr("artculture.utils.child_process.end_with_study", lambda: None)
    if of_study:
        monkeypatch.setenv(RUN_OF_STUDY, str(os.getpid()))
    assert train() == 0
    assert steps == ["keep", "train"]
