"""The package without what Windows or macOS lack: everything is imported, and a run is trained."""

import subprocess
import sys

import pytest

BLOCKED = """
import os, signal, sys

for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty"):
    sys.modules[name] = None
for name in ("fork", "sched_getaffinity", "O_DIRECT", "O_CLOEXEC", "killpg", "setsid", "posix_fadvise"):
    if hasattr(os, name):
        delattr(os, name)
"""
IMPORTS = """
import importlib, pkgutil

# In the imports alone: Lightning itself looks for these signals when it trains where the platform is not win32.
for name in ("SIGUSR1", "SIGUSR2", "SIGHUP"):
    if hasattr(signal, name):
        delattr(signal, name)
    signal.Signals._member_map_.pop(name, None)
import artculture, hydra_plugins.artculture_study.plugins

OTHERS = {"artculture.studies.launchers.ray"}  # ray itself imports resource where the platform is not win32
modules = [found.name for found in pkgutil.walk_packages(artculture.__path__, "artculture.")]
modules = [name for name in modules if not name.endswith("__main__") and name not in OTHERS]
for name in modules:
    importlib.import_module(name)
print(len(modules))
"""
TRAIN = """
from artculture.cli import main

raise SystemExit(main(["train", *sys.argv[1:]]))
"""


def run(code, *arguments):
    command = [sys.executable, "-W", "ignore", "-c", BLOCKED + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_every_module_is_imported_without_unix_only_modules():
    done = run(IMPORTS)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 150


@pytest.mark.slow
def test_a_run_trains_without_unix_only_modules(tmp_path):
    typed = "data=sample data.per_culture=12 architecture=timm architecture.name=test_resnet architecture.weights=none"
    typed += " method=scratch scheduler=step logger=csv trainer=cpu trainer.max_epochs=1 data.num_workers=0"
    done = run(TRAIN, *typed.split())
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("outputs/*/*/result.json"))
