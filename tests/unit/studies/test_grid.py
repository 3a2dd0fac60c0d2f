import json
from pathlib import Path

import pytest

from artculture import cli
from artculture.config.schema.train import TrainConfig
from artculture.config.validation import validated
from artculture.data.hub import dataset
from artculture.studies.grid import planned_run
from artculture.training.job import write_job
from artculture.utils.errors import InputError
from tests.unit.config.schema.test_train import compose

OPTIONS = {
    "method/fast": "defaults: [scratch, _self_]\nhead_lr: 0.5",
    "method/slow": "defaults: [scratch, _self_]\nhead_lr: 0.001",
    "data/first": "defaults: [sample, _self_]\nimage_size: 48",
    "data/second": "defaults: [sample, _self_]\nsplit: random",
    "trainer/long": "defaults: [auto, _self_]\nprecision: 32",
    "trainer/box": "defaults: [auto, _self_]\ndevices: 4",
    "study/listed": """# @package _global_
study: {name: listed, title: null, root: outputs}
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      row: [resnet50_step_scratch, alexnet_step_finetuned]
      data.cultures: [[Dutch, French], [Indian, Dutch]]
""",
    "experiment/quick": """# @package _global_
defaults:
  - override /method: fast
""",
}


@pytest.fixture
def names(tmp_path, capsys):
    """The names of the runs that a command plans, with options of the user's own."""
    for name, text in OPTIONS.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / f"{name}.yaml").write_text(text)

    def plan(*typed):
        assert cli.main(["train", "--config-dir", str(tmp_path / "mine"), *typed, "plan=json"]) == 0
        return [Path(run["run"]).name for run in json.loads(capsys.readouterr().out)["runs"]]

    return plan


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("method=fast,slow", ["resnet50-scratch-plateau-fast", "resnet50-scratch-plateau-slow"]),
        (
            "data=first,second method=fast",
            ["resnet50-scratch-plateau-sample-fast-first", "resnet50-scratch-plateau-sample-fast-second"],
        ),
        ("trainer=long,box", ["resnet50-finetuned-plateau-precision=32", "resnet50-finetuned-plateau"]),
        ("trainer.max_epochs=2,3", [f"resnet50-finetuned-plateau-max_epochs={n}" for n in (2, 3)]),
        ("experiment=quick", ["resnet50-scratch-plateau-quick"]),
        (
            "experiment=quick method=slow,fast",
            ["resnet50-scratch-plateau-quick-slow", "resnet50-scratch-plateau-quick"],
        ),
        ("seed=0,1 trainer.max_epochs=3", ["resnet50-finetuned-plateau", "resnet50-finetuned-plateau-seed=1"]),
    ],
)
def test_runs_that_differ_by_an_option_file_or_by_epochs_have_names_of_their_own(names, typed, found):
    assert names("-m", *typed.split(" ")) == found


def test_a_list_of_a_study_is_a_sweep(names):
    cultures = ("cultures=DutchxFrench", "cultures=IndianxDutch")
    assert names("study=listed") == [
        f"{row}-{culture}" for row in ("resnet50-scratch-step", "alexnet-finetuned-step") for culture in cultures
    ]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["data.labels=[style,moode]"], "data.labels=moode: {table} has no such column; did you mean `mood`?"),
        (["data.label=stile"], "data.label=stile: {table} has no such column; did you mean `style`?"),
        (["data.disjoint=artits"], "data.disjoint=artits: {table} has no such column"),
    ],
)
def test_a_mistyped_column_leaves_no_run(tmp_path, monkeypatch, capsys, typed, says):
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "paintings.csv"
    table.write_text("image,style,mood\nno/such/picture.jpg,baroque,calm\n")
    assert cli.main(["train", "data=folder", f"data.root={table}", *typed]) == 2
    assert says.format(table=table) in capsys.readouterr().err
    assert not (tmp_path / "outputs").exists()


def test_a_run_keeps_the_commit_of_a_dataset_of_the_hub(tmp_path, monkeypatch):
    newest = {None: "a" * 40, "v1": "c" * 40}
    monkeypatch.setattr(dataset, "_commit_of", lambda _, revision: newest[revision])

    def revision(*typed):
        config = validated(TrainConfig, compose("data=hub", "data.path=owner/paintings", *typed))
        run = planned_run(config, tmp_path / "run")
        write_job(run.directory, run.job, restart=False)
        return run.config.data.revision

    assert revision() == "a" * 40
    newest[None] = "b" * 40
    assert revision() == "a" * 40
    with pytest.raises(InputError, match=r"data\.revision"):
        revision("data.revision=v1")
    assert revision("resume=never") == "b" * 40
