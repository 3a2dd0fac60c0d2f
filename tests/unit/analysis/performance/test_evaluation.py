import io
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artculture import cli
from artculture.analysis.loading import load_model_under_study
from artculture.analysis.performance.evaluated_paintings import select_rows
from artculture.analysis.performance.evaluation import default_folder, evaluate, evaluate_labels, write_evaluation
from artculture.models.checkpoint import store_temperature
from artculture.utils.errors import InputError, WorkError

SAME = {"top1": "test_top1", "top3": "test_top3", "macro_f1": "test_macro_f1", "loss": "test_loss"}


@pytest.mark.parametrize("precision", [pytest.param("32", marks=pytest.mark.slow), "bf16-mixed"])
def test_the_numbers_of_a_run_are_reproduced_exactly(train, only_run, read_json, precision):
    fractions = "data.fractions=[0.4,0.3,0.3]"
    assert train(fractions, "trainer.max_epochs=2", f"trainer.precision={precision}", "method.head_lr=0.05") == 0
    own = read_json(only_run() / "result.json")
    result, predictions = evaluate(load_model_under_study(only_run()))
    assert {name: own[key] for name, key in SAME.items()} == {name: result[name] for name in SAME}
    assert (result["ece"], result["ece_calibrated"]) == (own["test_ece"], own["test_ece_calibrated"])
    assert result["confusion"] == own["confusion"]
    assert list(result["intervals"]["top1"]) == own["intervals"]["test_top1"]
    assert result["recall"] == {name: part["recall"] for name, part in own["per_culture"].items()}
    stored = pd.read_csv(only_run() / "predictions.csv", dtype={"object_id": str}, keep_default_na=False)
    stored = stored[stored["split"] == "test"].reset_index(drop=True)
    pd.testing.assert_frame_equal(predictions, stored, check_exact=True, check_dtype=False)


@pytest.mark.parametrize(("split", "n"), [(None, 12), ("val", 12), ("train", 18), ("all", 42)])
def test_the_requested_split_is_evaluated(run, split, n, caplog):
    result, predictions = evaluate(load_model_under_study(run.best), split)
    assert result["n"] == len(predictions) == n
    assert result["trained_on"] == {"train": 18, "all": 18}.get(split, 0)
    assert ("were trained on" in caplog.text) == (split == "all")


@pytest.fixture
def counted(run, pictures, choose, monkeypatch):
    """Which paintings of other data would be evaluated, of the run's pictures and a few others."""

    def count(split=None, include_trained=False, **changes):
        model = load_model_under_study(run.best, choose(**changes))
        chosen = select_rows(model, split, include_trained)
        table = model.paintings.selection.manifest.table
        return chosen, set(table["object_id"].iloc[chosen.rows])

    return count


def stored(run, *splits):
    table = pd.read_csv(run.split)
    return set(table["object_id"][table["split"].isin(splits)])


def test_of_the_run_s_folder_and_a_new_picture_the_test_paintings_and_the_new_one_count(run, pictures, counted):
    (pictures / "red" / "new.png").write_bytes(new_png())
    chosen, names = counted()
    assert names == stored(run, "test") | {"red/new"}
    assert (chosen.split, chosen.trained_on, chosen.left_out) == ("all", 0, {"train": 18, "val": 12})


def test_training_paintings_are_kept_where_that_is_asked_for_and_counted(run, pictures, counted):
    (pictures / "red" / "new.png").write_bytes(new_png())
    chosen, names = counted(include_trained=True)
    assert (len(names), chosen.split, chosen.trained_on, chosen.left_out) == (43, "all", 18, {})
    chosen, names = counted("all")
    assert (len(names), chosen.trained_on, chosen.left_out) == (25, 0, {"train": 18})


def test_a_part_of_the_run_s_cultures_is_its_test_paintings(run, counted):
    chosen, names = counted(cultures=["red", "blue"])
    assert names == {name for name in stored(run, "test") if not name.startswith("green")}
    assert (chosen.split, chosen.trained_on) == ("test", 0)


def test_training_paintings_under_other_names_elsewhere_are_known(run, pictures, counted, tmp_path):
    for number, name in enumerate(sorted(stored(run, "train"))):
        target = tmp_path / "elsewhere" / name.split("/")[0] / f"picture {number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pictures / f"{name}.png", target)
    (tmp_path / "elsewhere" / "red" / "0.png").write_bytes(new_png())
    chosen, names = counted(root=str(tmp_path / "elsewhere"))
    assert (names, chosen.trained_on, chosen.left_out) == ({"red/0"}, 0, {"train": 18})
    (tmp_path / "elsewhere" / "red" / "0.png").unlink()
    with pytest.raises(InputError, match="18 are of the run's training or validation split; include_trained=true"):
        counted(root=str(tmp_path / "elsewhere"))
    assert counted(root=str(tmp_path / "elsewhere"), include_trained=True)[0].trained_on == 18


def test_unknown_training_paintings_give_a_warning(run, choose, tmp_path, caplog):
    shutil.copy(run.best, tmp_path / "loose.ckpt")
    result, _ = evaluate(load_model_under_study(tmp_path / "loose.ckpt", choose()))
    assert (result["n"], result["trained_on"]) == (42, None)
    assert "is unknown" in caplog.text


def new_png():
    noise = np.random.default_rng(99).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    with io.BytesIO() as file:
        Image.fromarray(noise).save(file, "PNG")
        return file.getvalue()


def test_calibration_softens_but_keeps_the_predictions(run):
    store_temperature(run.best, 4.0)
    result, _ = evaluate(load_model_under_study(run.best))
    store_temperature(run.best, 1.0)
    raw, _ = evaluate(load_model_under_study(run.best))
    assert (result["top1"], result["ece"]) == (raw["top1"], raw["ece"])
    assert raw["ece_calibrated"] == pytest.approx(raw["ece"])
    assert result["ece_calibrated"] != pytest.approx(raw["ece"])


def test_an_empty_split_is_an_error(run):
    model = load_model_under_study(run.best)
    model.paintings.selection.split[:] = "val"
    with pytest.raises(InputError, match="no painting is in the split `test`"):
        select_rows(model, "test")


def test_results_land_in_the_run_whole(run, read_json):
    model = load_model_under_study(run.best)
    assert default_folder(model, None, run.path) == model.run.path / "evaluation" / "pictures"
    assert default_folder(model, "val", run.path).name == "pictures-val"
    file, *_ = write_evaluation(default_folder(model, None, run.path), *evaluate_labels(model))
    assert np.isclose(read_json(file)["top1"], read_json(run.result)["test_top1"])
    assert file.with_name("predictions.csv").is_file()


def test_accuracy_by_artist_and_by_source(train, only_run, pictures, read_json, capsys):
    images = sorted(path.relative_to(pictures).as_posix() for path in pictures.glob("*/*.png"))
    table = pd.DataFrame({"image": images, "culture": [image.split("/")[0] for image in images]})
    artists, sources = [f"{image[:3]} {n // 2}" for n, image in enumerate(images)], ["met", "met", "aic"] * 14
    table.assign(artist=artists, source=sources).to_csv(pictures / "manifest.csv", index=False)
    fractions = "data.fractions=[0.4,0.3,0.3]"
    assert train(fractions, "data.disjoint=artist", "trainer.max_epochs=1", "trainer.precision=32") == 0
    run = only_run()
    split, own = pd.read_csv(run / "split.csv"), read_json(run / "result.json")
    assert split.groupby("artist")["split"].nunique().max() == 1
    assert "disjoint=artist" in own["variant"].split()
    test = split[split["split"] == "test"]
    assert own["by_artist"]["share"] == 0
    assert own["by_artist"]["not_in_training"]["top1"] == pytest.approx(own["test_top1"])
    assert {name: part["n"] for name, part in own["by_source"].items()} == test["source"].value_counts().to_dict()
    capsys.readouterr()
    assert cli.main(["evaluate", f"checkpoint={run}"]) == 0
    result = read_json(run / "evaluation" / "pictures" / "result.json")
    assert (result["by_artist"], result["by_source"]) == (own["by_artist"], own["by_source"])
    shown = capsys.readouterr().out
    assert "artist not in the training split" in shown
    assert "trained on" in shown


def test_views_of_each_painting_are_averaged_and_recorded(run):
    model = load_model_under_study(run.best)
    plain, predictions = evaluate(model)
    flipped, averaged = evaluate(model, tta=["flip"])
    crops, _ = evaluate(model, tta=["crops", "whole"])
    assert [result["tta"] for result in (plain, flipped, crops)] == [[], ["flip"], ["crops", "whole"]]
    assert plain["n"] == flipped["n"] == crops["n"]
    shares = [table.filter(like="p_").to_numpy() for table in (predictions, averaged)]
    assert shares[1].sum(axis=1) == pytest.approx(1)
    assert 0 < abs(shares[0] - shares[1]).max() < 0.5
    assert default_folder(model, None, run.path, ["flip"]).name == f"{model.data}-flip"


@pytest.mark.parametrize("more", [{}, {"tta": ["flip"]}, {"with_unlike": True}])
def test_bfloat16_moves_probabilities_a_little_and_is_recorded(run, more):
    model = load_model_under_study(run.best)
    (exact, table), (half, other) = (evaluate(model, precision=each, **more) for each in ("float32", "bfloat16"))
    assert [result["precision"] for result in (exact, half)] == ["32-true", "bf16-mixed"]
    shares = [each.filter(like="p_").to_numpy() for each in (table, other)]
    assert 0 < abs(shares[0] - shares[1]).max() < 0.1
    assert default_folder(model, "val", run.path, ["flip"], "bfloat16").name == f"{model.data}-val-flip-bfloat16"


def test_logits_in_bfloat16_that_are_not_finite_are_refused(run):
    model = load_model_under_study(run.best)
    for parameter in model.classifier.parameters():
        parameter.data.fill_(float("nan"))
    with pytest.raises(WorkError, match="not finite"):
        evaluate(model, precision="bfloat16")
