import builtins
import sys

import pytest

from artculture.studies.launchers.local import LocalLauncher
from artculture.studies.launchers.selection import make_launcher
from artculture.utils.errors import InputError


def test_local_is_the_default(composed):
    launcher = make_launcher(composed("trainer=cpu"))
    assert isinstance(launcher, LocalLauncher)
    assert (launcher.capacity, launcher.queues, launcher.detached) == (1, False, False)


@pytest.mark.parametrize(("name", "library"), [("slurm", "submitit"), ("ray", "ray")])
def test_a_missing_extra_is_named(composed, monkeypatch, name, library):
    def without(wanted, *rest, **more):
        if wanted == library:
            raise ModuleNotFoundError(f"No module named '{library}'", name=library)
        return real(wanted, *rest, **more)

    real = builtins.__import__
    monkeypatch.delitem(sys.modules, f"artculture.studies.launchers.{name}", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=rf"pip install 'artculture\[{name}\]'"):
        make_launcher(composed(f"launcher={name}"))


def test_a_single_run_is_handed_to_its_launcher_too(train, monkeypatch):
    given = []
    monkeypatch.setattr("artculture.studies.study.launch", lambda rows: given.extend(rows) or 7)
    assert train("launcher=slurm", "launcher.partition=gpu") == 7
    (row,) = given
    assert {"launcher=slurm", "launcher.partition=gpu"} <= set(row.arguments)
    assert (row.plan.action, row.config.launcher.partition) == ("start", "gpu")


def test_a_class_of_one_s_own_is_made_and_checked(composed):
    own = ("launcher=custom", "launcher._target_=artculture.studies.launchers.local.LocalLauncher")
    launcher = make_launcher(composed(*own, "+launcher.gpus=[null,null]"))
    assert (type(launcher), launcher.capacity) == (LocalLauncher, 2)
    with pytest.raises(InputError, match="made a Counter, which lacks capacity, queues, detached"):
        make_launcher(composed("launcher=custom", "launcher._target_=collections.Counter"))
