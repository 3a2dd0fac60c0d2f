import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artculture.analysis.loading import assign_unseen_to_test, best_run, load_model_under_study, own_data
from artculture.utils.errors import InputError


def test_a_run_brings_its_paintings_and_split(run):
    model = load_model_under_study(run.best)
    assert model.run is not None
    assert model.run.path.samefile(run.path)
    assert (model.data, model.classes) == ("pictures", ("blue", "green", "red"))
    stored = pd.read_csv(run.split)
    assert list(model.paintings.selection.split) == list(stored["split"])
    assert not model.classifier.training


def test_a_run_directory_means_its_best_checkpoint(run):
    assert load_model_under_study(run.path).checkpoint == run.best


def test_a_checkpoint_without_a_run_needs_data(run, tmp_path):
    shutil.copy(run.best, tmp_path / "loose.ckpt")
    with pytest.raises(InputError, match=r"data=folder data\.root="):
        load_model_under_study(tmp_path / "loose.ckpt")


def test_a_checkpoint_without_a_run_uses_the_given_data(run, tmp_path, choose):
    shutil.copy(run.best, tmp_path / "loose.ckpt")
    model = load_model_under_study(tmp_path / "loose.ckpt", choose())
    assert model.run is None
    assert len(model.paintings.selection.manifest) == 42


def test_labels_of_other_data_are_found_by_name(run, choose, pictures):
    shutil.rmtree(pictures / "green")
    selection = load_model_under_study(run.best, choose()).paintings.selection
    assert selection.classes == ("blue", "green", "red")
    assert set(selection.labels) == {0, 2}
    assert set(selection.manifest.table["culture"][selection.labels == 2]) == {"red"}


def test_unknown_cultures_are_named_with_the_fix(run, choose, pictures):
    shutil.copytree(pictures / "red", pictures / "pink")
    with pytest.raises(InputError, match=r"does not know pink .*data\.cultures=\[blue,green,red\]"):
        load_model_under_study(run.best, choose())
    model = load_model_under_study(run.best, choose(cultures=["red", "blue"]))
    assert set(model.paintings.selection.manifest.table["culture"]) == {"red", "blue"}


def test_a_run_s_own_paintings_stay_in_its_split(run, choose):
    again = load_model_under_study(run.best, choose(split_seed=77)).paintings.selection
    assert list(again.split) == list(load_model_under_study(run.best).paintings.selection.split)


def png(seed):
    """Return a PNG that no run has seen."""
    noise = np.random.default_rng([seed, 99]).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    with io.BytesIO() as file:
        Image.fromarray(noise).save(file, "PNG")
        return file.getvalue()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda red: (red / "new.png").write_bytes(png(1)), "1 added (red/new)"),
        (lambda red: shutil.copy(red / "3.png", red / "copy.png"), "1 added (red/copy)"),
        (lambda red: (red / "3.png").unlink(), "1 removed (red/3)"),
        (lambda red: (red / "3.png").write_bytes(png(1)), "1 replaced (red/3)"),
        (lambda red: (red / "3.png").rename(red / "other.png"), "1 renamed (red/other)"),
        (lambda red: shutil.copytree(red, red.with_name("pink")), "14 added (pink/0, pink/1, pink/10, …)"),
    ],
)
def test_of_changed_data_only_the_run_s_own_paintings_are_taken(run, pictures, change, says, caplog):
    stored = pd.read_csv(run.split)
    change(pictures / "red")
    model = load_model_under_study(run.best)
    selection = model.paintings.selection
    split = dict(zip(selection.manifest.table["sha256"], selection.split, strict=True))
    before = dict(zip(stored["sha256"], stored["split"], strict=True))
    assert split == {sha256: before[sha256] for sha256 in split}
    assert len(split) == len(selection.split) == (41 if "removed" in says or "replaced" in says else 42)
    assert f"only its own paintings count: {says}" in caplog.text


def test_unchanged_data_give_no_warning(run, caplog):
    load_model_under_study(run.best)
    assert "changed" not in caplog.text


def test_nothing_left_of_a_run_s_paintings(run, pictures):
    for number, file in enumerate(sorted(pictures.glob("*/*.png"))):
        file.write_bytes(png(number))
    with pytest.raises(InputError, match=r"none of the paintings of .* is left \(42 replaced"):
        load_model_under_study(run.best)


def test_a_split_from_before_hashes_were_stored_still_matches_by_id(run, pictures):
    pd.read_csv(run.split).drop(columns="sha256").to_csv(run.split, index=False)
    status = json.loads((run.path / "status.json").read_text())
    (run.path / "status.json").write_text(json.dumps({**status, "sha256": {}}))
    (pictures / "red" / "new.png").write_bytes(png(1))
    assert len(load_model_under_study(run.best).paintings.selection.split) == 42


def test_paintings_that_the_run_did_not_have_are_test_paintings_in_an_analysis(run, choose, pictures):
    (pictures / "red" / "new.png").write_bytes(png(1))
    model = assign_unseen_to_test(load_model_under_study(run.best, choose()))
    selection = model.paintings.selection
    known = dict(zip(pd.read_csv(run.split)["object_id"], pd.read_csv(run.split)["split"], strict=True))
    expected = [known.get(name, "test") for name in selection.manifest.table["object_id"]]
    assert selection.split.tolist() == expected


def test_few_paintings_are_allowed_without_training(run, choose, pictures):
    for file in sorted((pictures / "green").iterdir())[1:]:
        file.unlink()
    assert np.sum(load_model_under_study(run.best, choose()).paintings.selection.labels == 1) == 1


def test_a_run_without_valid_data_config_is_an_error(run):
    run.config.write_text("seed: 0\n")
    with pytest.raises(InputError, match="does not say what the run was trained on"):
        own_data(run.best, run)


def test_a_run_s_own_data_source_is_called_only_where_its_package_is_trusted(run):
    data = {**run.read_config()["data"], "name": "custom", "source": {"_target_": "os.getcwd"}}
    data = {key: value for key, value in data.items() if key not in ("label", "image", "id")}
    run.write_config({**run.read_config(), "data": data})
    with pytest.raises(InputError, match=r"names os\.getcwd, code that .* trust=\[os\]"):
        own_data(run.best, run)
    choice, label = own_data(run.best, run, trust=["os"])
    assert (choice.source, label) == ({"_target_": "os.getcwd"}, "getcwd")


@pytest.fixture
def study(tmp_path):
    def make(**runs: tuple[str, float, float, float]):
        for name, (state, val_top1, val_loss, test_top1) in runs.items():
            folder = tmp_path / "study" / name
            (folder / "checkpoints").mkdir(parents=True)
            (folder / "checkpoints" / "best.ckpt").touch()
            (folder / "config.yaml").touch()
            (folder / "status.json").write_text(json.dumps({"state": state}))
            numbers = {"val_top1": val_top1, "val_loss": val_loss, "test_top1": test_top1}
            (folder / "result.json").write_text(json.dumps(numbers))
        return tmp_path / "study"

    return make


def test_the_best_run_is_best_by_validation(study):
    runs = {"a": ("finished", 0.8, 0.5, 0.99), "b": ("finished", 0.9, 0.9, 0.1), "c": ("failed", 1.0, 0.1, 1.0)}
    assert best_run(study(**runs)).parents[1].name == "b"


def test_of_equal_runs_the_one_with_the_lower_loss(study):
    runs = {"a": ("finished", 0.9, 0.5, 0.1), "b": ("finished", 0.9, 0.4, 0.1), "c": ("finished", 0.9, 0.6, 0.9)}
    assert best_run(study(**runs)).parents[1].name == "b"


def test_no_finished_run(study):
    with pytest.raises(InputError, match="no finished run"):
        best_run(study(a=("running", 0.9, 0.5, 0.1)))
