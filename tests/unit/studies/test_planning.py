import json
import os
import socket
from pathlib import Path

import pandas as pd
import pytest
import torch

from artculture import cli
from artculture.studies import measurement, planning
from artculture.studies.grid import planned_run
from artculture.studies.planning import RunEstimate, estimate_runs
from artculture.utils.io import write_json
from tests.conftest import STUB


@pytest.fixture
def plan(train, capsys):
    """What `plan=json` says."""

    def say(*overrides):
        assert train(*overrides, "plan=json" if not any("plan=" in text for text in overrides) else "seed=0") == 0
        return json.loads(capsys.readouterr().out)

    return say


def test_a_plan_trains_nothing_and_makes_no_directory(plan, tmp_path):
    said = plan("-m", "seed=0,1", "trainer.max_epochs=5")
    assert [(row["action"], row["epochs"], row["seconds"]) for row in said["runs"]] == [("start", 5, None)] * 2
    assert said["seconds"] is None
    assert not (tmp_path / "outputs").exists()


def test_time_comes_from_runs_alike_and_memory_from_the_same_batch(run, plan):
    like = ["data.fractions=[0.4,0.3,0.3]", "trainer.precision=32", "study.name=other"]
    epoch = float(pd.read_csv(run.metrics)["seconds"][0])
    same, wider, half = (
        plan("-m", *like, "data.batch_size=8,16", "trainer.max_epochs=10")["runs"]
        + plan(*like[:1], "trainer.precision=bf16-mixed")["runs"]
    )
    assert same["seconds"] == pytest.approx(10 * epoch, abs=0.1)
    assert same["source"] == f"as {run.path.relative_to(Path.cwd())}"
    assert (same["memory"] or 0) > 50e6
    assert (wider["seconds"], wider["memory"]) == (same["seconds"], None)
    assert half["seconds"] is None


@pytest.mark.parametrize(
    ("status", "last", "action", "detail", "epochs"),
    [
        (None, False, "start", "run", 4),
        ({"state": "failed", "error": "no memory"}, False, "retry", "retry (failed: no memory)", 4),
        ({"state": "failed", "error": "x", "epoch": 3}, True, "retry", "resume from epoch 3 of 4 (failed: x)", 1),
        ({"state": "running", "epoch": 1}, True, "continue", "resume from epoch 1 of 4", 3),
        ({"state": "interrupted", "epoch": 2}, True, "continue", "resume from epoch 2 of 4", 2),
        ({"state": "failed", "epoch": 4}, True, "retry", "only evaluate (failed: None)", 0),
    ],
)
def test_a_row_s_state_decides_what_becomes_of_it(composed, tmp_path, status, last, action, detail, epochs):
    config = composed("trainer.max_epochs=4", "data=sample", "data.image_size=64")
    row = planned_run(config, tmp_path / "outputs" / "s" / "r")
    if status is not None:
        row.directory.make()
        row.directory.write_config(config.model_dump())
        write_json(row.directory.path / "status.json", {"host": socket.gethostname(), **status})
    if last:
        row.directory.last.touch()
    (planned,) = estimate_runs([planned_run(config, row.directory.path)], measure=False)
    assert (planned.action, planned.detail, planned.epochs) == (action, detail, epochs)


def test_a_run_that_another_process_trains_is_waited_for(composed, tmp_path):
    config = composed("trainer.max_epochs=4", "data=sample", "data.image_size=64")
    directory = planned_run(config, tmp_path / "outputs" / "s" / "r").directory
    directory.make()
    directory.set_status("running", epoch=1)
    with directory.lock():
        (planned,) = estimate_runs([planned_run(config, directory.path)], measure=False)
    assert (planned.action, planned.epochs) == ("wait", 3)
    assert f"process {os.getpid()} of " in planned.detail


def test_a_finished_run_is_skipped_and_shown_so(run, train, capsys):
    overrides = ["data.fractions=[0.4,0.3,0.3]", "trainer.precision=32", "trainer.max_epochs=1", "study.name=kept"]
    assert train(*overrides, "method.head_lr=0.05", "plan=true") == 0
    said = capsys.readouterr().out
    assert "skip (finished)" in said
    assert "0 of 1 runs to train" in said
    assert "test_resnet finetuned: 32 px (crop, bilinear), pooling avg, sgd: head 0.05" in said


def test_what_was_measured_becomes_an_estimate(composed, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(measurement, "measure_in_subprocess", lambda *given: asked.append(given) or rates)
    rates = {"train": 10.0, "forward": 50.0, "peak_memory": 1e9}
    common = ["data=sample", "data.per_culture=40", "data.image_size=64", "trainer.max_epochs=5"]
    configs = [composed(*common), composed(*common, "seed=1"), composed(*common, "method=transfer", "method.views=2")]
    rows = [planned_run(config, tmp_path / str(i)) for i, config in enumerate(configs)]
    first, second, frozen = estimate_runs(rows, measure=True)
    assert first.seconds == second.seconds == pytest.approx(5 * (352 / 10 + 44 / 50))
    assert frozen.seconds == pytest.approx((2 * 352 + 44) / 50, abs=0.1)
    assert len(asked) == 2


def test_steps_on_random_pixels_are_measured(composed):
    config = composed("trainer.precision=32", "data.image_size=32", "data.batch_size=4", *STUB)
    numbers = measurement.measure(config, 3)
    assert numbers["train"] > 0
    assert numbers["forward"] > 0
    assert numbers["peak_memory"] > 50e6


def test_rows_side_by_side_take_as_long_as_the_fullest_place():
    rows = [RunEstimate("r", "start", "run", 1, seconds) for seconds in (30.0, 10.0, 10.0, 5.0)]
    assert planning._total(rows, 2) == 30.0
    assert planning._total(rows, 1) == 55.0


def test_a_wrong_plan_is_reported(capsys):
    assert cli.main(["train", "plan=maybe"]) == 2
    assert "plan=maybe" in capsys.readouterr().err


TIMM = ["architecture=timm", "architecture.weights=none", "data=sample", "data.root=null", "logger=csv"]
IMPOSSIBLE = {
    "no such model": (
        ["architecture.name=test_resnett"],
        "test_resnett is no model of timm: did you mean `test_resnet`",
    ),
    "a size of another network": (
        ["architecture.name=vit_tiny_patch16_224", "data.image_size=72"],
        "72 px are no multiple of its patches of 16 px): it takes 32 px and steps of 16 px",
    ),
    "no such weights": (["architecture.name=test_resnet", "architecture.weights=a.pth"], "weights=a.pth: no such file"),
    "other weights": (["architecture.name=test_resnet", "architecture.weights=other.pth"], "does not fit"),
}


@pytest.mark.parametrize("kind", IMPOSSIBLE)
def test_what_can_t_be_trained_is_not_planned(kind, capsys):
    overrides, says = IMPOSSIBLE[kind]
    torch.save({"a.weight": torch.ones(2)}, "other.pth")
    assert cli.main(["train", *TIMM, *overrides, "plan=true"]) == 2
    output = capsys.readouterr()
    assert says in output.err
    assert output.out == ""


def test_all_rows_that_can_t_be_trained_are_reported_at_once(capsys):
    names = "architecture.name=test_resnett,test_vitt"
    assert cli.main(["train", "-m", *TIMM, names, "plan=json"]) == 2
    said = capsys.readouterr().err
    assert "2 mistakes" in said
    assert "test_resnett" in said
    assert "test_vitt" in said


def test_float16_without_a_gpu_is_not_planned(capsys, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    overrides = ["architecture.name=test_resnet", "trainer.precision=16-mixed", "plan=true"]
    assert cli.main(["train", *TIMM, *overrides]) == 2
    assert "trainer.precision=16-mixed needs a GPU" in capsys.readouterr().err


def test_a_plan_names_a_missing_image(tmp_path, capsys):
    (tmp_path / "paintings").mkdir()
    rows = [
        f"{culture}{number},{culture}{number}.png,{culture}" for culture in ("Dutch", "French") for number in range(5)
    ]
    (tmp_path / "paintings" / "manifest.csv").write_text("\n".join(["object_id,image,culture", *rows]) + "\n")
    typed = ["data=folder", f"data.root={tmp_path / 'paintings'}", *STUB, "logger=csv", "plan=true"]
    assert cli.main(["train", *typed]) == 2
    assert "Dutch0.png (and 9 more), but there is no such file" in capsys.readouterr().err
