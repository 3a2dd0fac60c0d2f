from types import SimpleNamespace

import pytest

from artculture.training.run_directory import RunDirectory
from artculture.training.tracking.alerts import alert_failure, alert_study_finished


@pytest.fixture
def sent(tmp_path):
    """A run of a study of three, and the alerts that it sends."""
    study = tmp_path.resolve() / "s"
    for name in "abc":
        directory = RunDirectory(study / name)
        directory.make()
        directory.write_config({})
    info = SimpleNamespace(group="s", name="a", study=study, directory=RunDirectory(study / "a"))
    alerts = []
    run = SimpleNamespace(alert=lambda title, text, level: alerts.append((title, text, level)))
    return run, info, alerts


@pytest.mark.parametrize(
    ("reason", "what"), [("out of memory", "failed"), ("the training diverged at step 3", "diverged")]
)
def test_a_failure_is_an_alert(sent, reason, what):
    run, info, alerts = sent
    alert_failure(run, info, reason)
    assert alerts == [(f"s: run {what}", f"a {what}: {reason}", "ERROR")]


def test_the_last_run_of_a_study_says_that_it_is_finished(sent):
    run, info, alerts = sent
    for state in ("pending", "running", "interrupted"):
        RunDirectory(info.study / "b").set_status("finished")
        RunDirectory(info.study / "c").set_status(state)
        alert_study_finished(run, info)
        assert alerts == []
    RunDirectory(info.study / "c").set_status("failed")
    alert_study_finished(run, info)
    assert alerts == [("s: study finished", "s: 2 runs finished, 1 failed", "INFO")]
