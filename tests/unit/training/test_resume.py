from types import SimpleNamespace

import pytest

from artculture.training.resume import Fingerprints, Plan, plan
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError

VALUES = {"seed": 0, "method": {"head_lr": 0.1, "name": "finetuned"}, "study": {"name": "s"}, "resume": "auto"}


@pytest.fixture
def run(tmp_path):
    """A run directory in one of its states."""

    def make(state: str, *, config: bool = True, checkpoint: bool = True, result: bool = False) -> RunDirectory:
        directory = RunDirectory(tmp_path / "run")
        directory.make()
        directory.set_status(state)
        if config:
            directory.write_config(VALUES)
        if checkpoint:
            directory.last.touch()
        if result:
            directory.result.write_text('{"val_top1": 0.5}')
        return directory

    return make


def changed(**method):
    return {**VALUES, "method": {**VALUES["method"], **method}}


def test_nothing_there_is_a_start(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    assert plan(directory, VALUES, "auto") == Plan("start")
    assert not directory.path.exists()


@pytest.mark.parametrize("state", ["pending", "running", "failed"])
@pytest.mark.parametrize("resume", ["auto", "must"])
def test_an_unfinished_run_continues_from_its_last_checkpoint(run, state, resume):
    directory = run(state)
    assert plan(directory, VALUES, resume) == Plan("continue", directory.last)


@pytest.mark.parametrize("state", ["running", "failed"])
def test_what_never_reached_a_checkpoint_starts(run, state):
    assert plan(run(state, checkpoint=False), VALUES, "auto") == Plan("start")


@pytest.mark.parametrize("resume", ["auto", "must"])
def test_a_finished_run_is_skipped(run, resume):
    assert plan(run("finished", result=True), VALUES, resume) == Plan("skip")


@pytest.mark.parametrize("text", ["", '{"val_top1": 0.', "{}", '{"val_top1": 7}', '{"val_top1": "much"}'])
def test_a_damaged_result_is_made_again_from_the_last_checkpoint(run, text):
    directory = run("finished", result=True)
    directory.result.write_text(text)
    assert plan(directory, VALUES, "auto") == Plan("continue", directory.last)


def test_a_damaged_status_continues_from_the_last_checkpoint(run):
    directory = run("finished", result=True)
    (directory.path / "status.json").write_text('{"state": "fini')
    assert plan(directory, VALUES, "auto") == Plan("continue", directory.last)


def test_finished_without_a_result_is_not_finished(run):
    directory = run("finished")
    assert plan(directory, VALUES, "auto") == Plan("continue", directory.last)


def test_a_run_killed_between_two_checkpoints_continues_from_the_older(run):
    directory = run("running")
    directory.last.rename(directory.previous)
    assert plan(directory, VALUES, "auto") == Plan("continue", directory.previous)


def test_a_checkpoint_without_a_config_is_not_trusted(run):
    assert plan(run("running", config=False), VALUES, "auto") == Plan("start")


@pytest.mark.parametrize("state", ["running", "finished", "failed"])
def test_never_restarts_whatever_there_is(run, state):
    assert plan(run(state, result=True), VALUES, "never") == Plan("restart")
    assert plan(run(state), changed(head_lr=9), "never") == Plan("restart")


def test_never_with_nothing_there_just_starts(tmp_path):
    assert plan(RunDirectory(tmp_path / "run"), VALUES, "never") == Plan("start")


def test_never_does_not_mind_an_unreadable_config(run):
    directory = run("running")
    directory.config.write_text("{half")
    assert plan(directory, VALUES, "never") == Plan("restart")


def test_must_insists(run, tmp_path):
    for directory in (RunDirectory(tmp_path / "none"), run("failed", checkpoint=False)):
        with pytest.raises(InputError, match=f"no checkpoint in {directory.path}; use resume=auto"):
            plan(directory, VALUES, "must")


@pytest.mark.parametrize("resume", ["/nowhere/last.ckpt", "allways"])
@pytest.mark.parametrize("state", ["pending", "running", "finished"])
def test_neither_a_word_nor_a_checkpoint(run, state, resume):
    with pytest.raises(InputError, match=f"resume={resume}: no such checkpoint; give auto, never, must or"):
        plan(run(state, result=True), VALUES, resume)


@pytest.mark.parametrize("state", ["running", "finished"])
def test_another_config_is_refused_with_all_differences(run, state):
    directory = run(state, result=True)
    with pytest.raises(InputError) as caught:
        plan(directory, changed(head_lr=0.2, views=9), "auto")
    message = str(caught.value)
    assert str(directory.path) in message
    assert "method.head_lr: 0.1 there, 0.2 now" in message
    assert "method.views: None there, 9 now" in message
    assert "resume=never" in message
    assert "study.name=" in message


def test_other_circumstances_are_no_difference(run):
    directory = run("running")
    values = {**VALUES, "study": {"name": "other"}, "logger": {"name": "csv"}, "resume": "must"}
    assert plan(directory, values, "auto").action == "continue"


def test_a_key_that_a_stored_run_does_not_know_yet_is_no_difference_where_it_means_the_same(run):
    directory = run("running")
    trainer = VALUES.get("trainer", {})
    assert plan(directory, {**VALUES, "trainer": {**trainer, "compile": False}}, "auto").action == "continue"
    with pytest.raises(InputError, match=r"trainer\.compile: False there, True now"):
        plan(directory, {**VALUES, "trainer": {**trainer, "compile": True}}, "auto")


def test_planning_writes_nothing(run, tmp_path):
    directory = run("running")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for resume in ("auto", "never", "must"):
        plan(directory, VALUES, resume)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_runs_of_a_grid_read_their_paintings_once(monkeypatch):
    read = []

    def load(name, root, **_):
        read.append(root)
        if root == "gone":
            raise InputError("no such folder")
        return SimpleNamespace(fingerprint=lambda: f"of {root}")

    monkeypatch.setattr("artculture.data.sources.load_manifest", load)
    fingerprints = Fingerprints()
    sources = [{"name": "folder", "root": root, "cache": "kept"} for root in ("a", "a", "gone", "gone")]
    assert [fingerprints.of(data) for data in sources] == ["of a", "of a", None, None]
    assert read == ["a", "gone"]


def with_epochs(epochs, scheduler="step"):
    return {**VALUES, "trainer": {"max_epochs": epochs, "evaluate_test": True}, "scheduler": {"name": scheduler}}


@pytest.fixture
def run_of_four(run):
    """A run of four epochs, in one of its states."""

    def make(state, scheduler="step", **choices):
        directory = run(state, result=state == "finished", **choices)
        directory.write_config(with_epochs(4, scheduler))
        return directory

    return make


@pytest.mark.parametrize("state", ["finished", "interrupted"])
@pytest.mark.parametrize("scheduler", ["step", "plateau"])
def test_more_epochs_continue_a_run_in_place(run_of_four, state, scheduler):
    directory = run_of_four(state, scheduler)
    assert plan(directory, with_epochs(6, scheduler), "auto") == Plan("continue", directory.last)
    assert plan(directory, with_epochs(4, scheduler), "auto").action == ("skip" if state == "finished" else "continue")


def test_fewer_epochs_are_another_config(run_of_four):
    with pytest.raises(InputError, match=r"max_epochs: 4 there, 3 now\n.*may only be raised"):
        plan(run_of_four("finished"), with_epochs(3), "auto")


@pytest.mark.parametrize("state", ["finished", "interrupted"])
def test_more_epochs_under_a_schedule_over_all_epochs_are_refused(run_of_four, state):
    directory = run_of_four(state, "cosine")
    with pytest.raises(InputError, match=r"=cosine spreads the learning rates over all 4 epochs.*resume=never"):
        plan(directory, with_epochs(6, "cosine"), "auto")
    assert plan(directory, with_epochs(6, "cosine"), "never") == Plan("restart")


def test_more_epochs_without_the_last_checkpoint_do_not_start_over(run_of_four):
    directory = run_of_four("finished", checkpoint=False)
    with pytest.raises(InputError, match=r"finished after 4 epochs and its checkpoints/last\.ckpt is gone"):
        plan(directory, with_epochs(6), "auto")
