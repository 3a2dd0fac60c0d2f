import pandas as pd
import pytest

from artculture import cli
from artculture.errors import InputError
from artculture.files import write_json
from artculture.runs.directory import RunDirectory
from artculture.runs.results import read_results, summarise, write_results


def result(**changes):
    usual = {
        "run": "r", "study": "s", "architecture": "resnet50", "scheduler": "plateau", "method": "finetuned",
        "variant": "", "seed": 0, "data": "met", "weights": "ImageNet (IMAGENET1K_V1)", "imagenet": True,
        "synthetic": False, "val_top1": 0.7, "test_top1": 0.72, "test_top3": 0.9, "test_macro_f1": 0.5,
        "intervals": {
            "val_top1": [0.66, 0.74], "test_top1": [0.68, 0.76], "test_top3": [0.87, 0.93],
            "test_macro_f1": [0.44, 0.56],
        },
        "chance": 1 / 11, "majority": 0.2, "counts": {"train": 80, "val": 10, "test": 10}, "epochs": 30,
        "seconds": 100.0, "images_per_second": 40.0, "per_culture": {}, "confusion": [[1]],
    }  # fmt: skip
    return {**usual, **changes}


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
        return directory

    return run


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


def test_runs_without_a_result_are_told_with_their_state(study, add):
    add("a")
    add("b", state="failed")
    add("c", state="running")
    add("d").result.unlink()
    runs, others = read_results(study)
    assert len(runs) == 1
    assert others == {"b": "failed", "c": "running", "d": "finished"}


def test_one_seed_has_the_interval_of_its_test_paintings(study, add):
    add("a")
    (row,) = summarise(read_results(study)[0]).to_dict("records")
    assert (row["validation"], row["top1"], row["top3"], row["macro_f1"]) == (0.7, 0.72, 0.9, 0.5)
    assert (row["top1_low"], row["top1_high"]) == (0.68, 0.76)
    assert row["seeds"] == 1


def test_several_seeds_have_mean_and_student_s_t(study, add):
    for seed, top1 in enumerate((0.7, 0.8, 0.9)):
        add(f"a{seed}", seed=seed, test_top1=top1, epochs=10 + seed, seconds=100.0 * seed)
    (row,) = summarise(read_results(study)[0]).to_dict("records")
    half = 4.302653 * 0.1 / 3**0.5
    assert row["top1"] == pytest.approx(0.8)
    assert (row["top1_low"], row["top1_high"]) == pytest.approx((0.8 - half, min(1, 0.8 + half)), abs=1e-6)
    assert (row["seeds"], row["epochs"], row["seconds"]) == (3, 12, 100)


def test_variants_are_rows_of_their_own(study, add):
    add("a")
    add("b", variant="head_lr=0.1")
    assert list(summarise(read_results(study)[0])["variant"]) == ["", "head_lr=0.1"]


def test_the_paper_s_numbers_stand_beside_its_rows_alone(study, add):
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
    assert (row["top1"], row["top1_low"], row["paper_top1"], row["chance"]) == (71.79, 68, 71.79, 9.09)


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
    with pytest.raises(InputError, match=r"a/result\.json is (not a whole result|damaged).*makes it anew"):
        read_results(study)


def test_a_result_that_is_no_json_is_named(study, add):
    add("a").result.write_text('{"half')
    with pytest.raises(InputError, match=r"a/result\.json is not whole JSON"):
        read_results(study)
