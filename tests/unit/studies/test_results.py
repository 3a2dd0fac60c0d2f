import numpy as np
import pandas as pd
import pytest

from artculture import cli
from artculture.evaluation.intervals import interval_over_seeds, score_interval
from artculture.studies.results import read_results, summarise, write_results
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError
from artculture.utils.io import write_json


def result(**changes):
    usual = {
        "run": "r", "study": "s", "architecture": "resnet50", "scheduler": "plateau", "method": "finetuned",
        "variant": "", "seed": 0, "data": "met", "weights": "ImageNet (IMAGENET1K_V1)", "imagenet": True,
        "synthetic": False, "val_top1": 0.7, "test_top1": 0.72, "test_top3": 0.9, "test_macro_f1": 0.5,
        "test_macro_recall": 0.45,
        "chance": 1 / 11, "majority": 0.2, "counts": {"train": 800, "val": 100, "test": 100}, "epochs": 30,
        "seconds": 100.0, "images_per_second": 40.0, "per_culture": {}, "confusion": [[1]],
    }  # fmt: skip
    found = {**usual, **changes}
    paintings = {"val_top1": 100, "test_top1": 100, "test_top3": 100, "test_macro_f1": 30, "test_macro_recall": 30}
    return {"intervals": {name: score_interval(found[name], n) for name, n in paintings.items()}, **found}


@pytest.fixture
def study(tmp_path):
    return tmp_path / "outputs" / "table2"


@pytest.fixture
def add(study):
    """Add a run to the study."""

    def run(name, state="finished", **changes):
        directory = RunDirectory(study / name)
        directory.make()
        directory.write_config({"seed": 0})
        directory.set_status(state)
        if state == "finished":
            write_json(directory.result, result(run=name, **changes))
            predict(directory, changes.get("test_top1", 0.72))
        return directory

    return run


def predict(directory, top1, first=0):
    """Write predictions of 100 paintings a split, the first ones right, numbered from `first`."""
    right = np.arange(100) < round(100 * top1)
    part = pd.DataFrame({"object_id": np.arange(first, first + 100), "p_a": 0.7 * right, "p_b": 0.5})
    parts = [part.assign(source="met", culture="a", split=split, p_c=0.1, p_d=0.2) for split in ("val", "test")]
    pd.concat(parts).to_csv(directory.predictions, index=False)


def test_rows_stand_in_the_paper_s_order_and_then_by_name(study, add):
    add("a", architecture="zzz", method="transfer")
    add("b", architecture="resnet50", scheduler="step", method="scratch")
    add("c", architecture="alexnet", scheduler="step", method="finetuned")
    add("d", seed=1)
    add("e", seed=0)
    add("f", architecture="alexnet", scheduler="cosine")
    runs, others = read_results(study)
    assert list(runs["run"]) == ["e", "d", "c", "b", "f", "a"]
    assert others == {}


def test_runs_without_a_result_are_listed_with_their_state(study, add):
    add("a")
    add("b", state="failed")
    add("c", state="running")
    add("d").result.unlink()
    runs, others = read_results(study)
    assert len(runs) == 1
    assert others == {"b": "failed", "c": "running", "d": "finished"}


def ends(summary, name):
    return summary[f"{name}_low"][0], summary[f"{name}_high"][0]


def test_one_seed_is_a_sample_of_the_recipe(study, add):
    add("a")
    summary = summarise(read_results(study)[0])
    assert summary.loc[0, ["validation", "top1", "top3", "macro_f1", "macro_recall"]].tolist() == [
        0.7,
        0.72,
        0.9,
        0.5,
        0.45,
    ]
    assert summary["seeds"][0] == 1
    assert ends(summary, "top1") == pytest.approx(interval_over_seeds(np.array([0.72]), 100))
    # macro-F1 is as uncertain as its own interval says, not as a share of all test paintings
    assert ends(summary, "macro_f1") == pytest.approx(interval_over_seeds(np.array([0.5]), 30))


def test_several_seeds_have_their_mean_and_one_interval_of_seeds_and_paintings(study, add):
    for seed, top1 in enumerate((0.6, 0.7, 0.8)):
        directory = add(f"a{seed}", seed=seed, test_top1=top1, epochs=10 + seed, seconds=100.0 * seed)
        predict(directory, top1, first=100 * seed)
    summary = summarise(read_results(study)[0])
    assert summary["top1"][0] == pytest.approx(0.7)
    assert ends(summary, "top1") == pytest.approx(interval_over_seeds(np.array([0.6, 0.7, 0.8]), 100))
    assert summary.loc[0, ["seeds", "epochs", "seconds"]].tolist() == [3, 12, 100]


def test_seeds_that_agree_on_the_same_paintings_are_no_surer_than_one(study, add):
    for seed in range(3):
        add(f"a{seed}", seed=seed)
    shared = ends(summarise(read_results(study)[0]), "top1")
    for seed in range(3):
        predict(RunDirectory(study / f"a{seed}"), 0.72, first=100 * seed)
    apart = ends(summarise(read_results(study)[0]), "top1")
    assert shared == pytest.approx(score_interval(0.72, 100), abs=0.02)
    assert apart == pytest.approx(score_interval(0.72, 300), abs=0.02)


def test_seeds_need_their_predictions(study, add):
    add("a")
    add("b", seed=1).predictions.unlink()
    with pytest.raises(InputError, match=r"b/predictions\.csv is missing; train the run again"):
        summarise(read_results(study)[0])


def test_variants_are_rows_of_their_own(study, add):
    add("a")
    add("b", variant="head_lr=0.1")
    assert list(summarise(read_results(study)[0])["variant"]) == ["", "head_lr=0.1"]


def test_the_paper_s_numbers_stand_next_to_its_rows_alone(study, add):
    # Table 2: ResNet50, ReduceOnPlateau, fine-tuned: 69.28 validation, 71.79 top-1, 91.84 top-3
    add("a")
    add("b", architecture="efficientnet_lite0")
    table = summarise(read_results(study)[0])
    assert table.loc[0, ["paper_validation", "paper_top1", "paper_top3"]].tolist() == [69.28, 71.79, 91.84]
    assert table.loc[1, ["paper_validation", "paper_top1", "paper_top3"]].isna().all()


def test_a_mixed_cell_does_not_pass_for_imagenet(study, add):
    add("a", seed=0)
    add("b", seed=1, weights="random", imagenet=False)
    (row,) = summarise(read_results(study)[0]).to_dict("records")
    assert row["weights"] == "ImageNet (IMAGENET1K_V1) / random"
    assert row["imagenet"] is False


def test_results_csv_is_in_percent(study, add):
    add("a", test_top1=0.71794)
    write_results(study)
    (row,) = pd.read_csv(study / "results.csv").to_dict("records")
    assert (row["top1"], row["paper_top1"], row["chance"]) == (71.79, 71.79, 9.09)
    assert 60 < row["top1_low"] < 64


def test_results_are_derived_again_from_the_runs_alone(study, add, capsys):
    add("a")
    add("b", state="failed")
    write_results(study)
    before = {name: (study / name).read_text() for name in ("results.csv", "results.md")}
    for name in before:
        (study / name).write_text("stale")
    assert cli.main(["compare", "study.name=table2"]) == 0
    assert {name: (study / name).read_text() for name in before} == before
    shown = capsys.readouterr().out
    assert "outputs/table2/results.csv" in shown
    assert "ResNet50" in shown


def test_a_study_of_failures_has_results_that_say_so(study, add):
    add("a", state="failed")
    summary, others = write_results(study)
    assert (len(summary), others) == (0, {"a": "failed"})
    assert "a (failed)" in (study / "results.md").read_text()


@pytest.mark.parametrize("make", [False, True])
def test_no_runs(study, make):
    if make:
        study.mkdir(parents=True)
    with pytest.raises(InputError, match=r"no runs in .*table2; `artculture train study\.name=table2"):
        read_results(study)


@pytest.mark.parametrize(
    "change",
    [
        {"intervals": {}},
        {"counts": None},
        {"intervals": {"val_top1": [0.1]}},
        "test_top1",
        "weights",
        "seed",
        "majority",
    ],
)
def test_a_result_that_is_not_whole_is_named(study, add, change):
    directory = add("a")
    broken = result(**change) if isinstance(change, dict) else result()
    if isinstance(change, str):
        del broken[change]
    write_json(directory.result, broken)
    with pytest.raises(InputError, match=r"a/result\.json is (incomplete|damaged).*(to recreate|recreates)"):
        read_results(study)


def test_a_result_that_is_no_json_is_named(study, add):
    add("a").result.write_text('{"half')
    with pytest.raises(InputError, match=r"a/result\.json is not valid JSON"):
        read_results(study)
