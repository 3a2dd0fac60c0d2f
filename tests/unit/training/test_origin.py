import json
import re
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import hydra
import numpy as np
import pandas as pd
import pytest
import torch

from artculture.config.composition import resolved
from artculture.config.schema.marks import OnResume
from artculture.config.validation import config_folder
from artculture.models.classifier import CHECKPOINT_FORMAT
from artculture.training.identity import identity, leaves
from artculture.training.origin import check_paintings, on_resume, read_origin, recorded_origin
from artculture.training.resume import Plan, plan
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError
from artculture.utils.io import file_sha256

DOCS = Path(__file__).parents[3] / "docs" / "resume.md"
CLASSES = ("blue", "green", "red")


@pytest.fixture(scope="module")
def values():
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        return resolved(hydra.compose("train", ["trainer.max_epochs=5"]))


def changed(values, key, value):
    values = deepcopy(values)
    *sections, last = key.split(".")
    part = values
    for section in sections:
        part = part[section]
    part[last] = value
    return values


@pytest.fixture
def save(values, tmp_path):
    """A checkpoint after two epochs, as far as planning looks into it."""

    def write(name="other/run/checkpoints/last.ckpt", batches=0, **content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        said = {"format": CHECKPOINT_FORMAT, "classes": list(CLASSES), "manifest": "abc", "config": identity(values)}
        position = {"epoch": 2, "batches": batches, "batch_size": 16}
        torch.save(
            {
                "artculture": said,
                "hyper_parameters": {},
                "optimizer_states": [],
                "epoch": 1,
                "PaintingsDataModule": position,
                **content,
            },
            path,
        )
        return path

    return write


@pytest.fixture
def run(values, tmp_path):
    """A run directory in some state."""

    def make(state, *, checkpoint=True, **facts):
        directory = RunDirectory(tmp_path / "run")
        directory.make()
        directory.set_status(state, **facts)
        directory.write_config(values)
        if checkpoint:
            directory.last.touch()
        if state == "finished":
            directory.result.write_text('{"val_top1": 0.5}')
        return directory

    return make


def test_the_documented_table_is_the_schema(values):
    rules = {rule.value: rule for rule in OnResume}
    documented = {}
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[1] in rules:
            documented |= dict.fromkeys(re.findall(r"`([\w.]+)`", cells[0]), rules[cells[1]])
    keys = [key for key, _ in leaves(identity(values))]
    found = {key: max((name for name in documented if f"{key}.".startswith(f"{name}.")), key=len) for key in keys}
    assert {key: documented[name] for key, name in found.items()} == {key: on_resume(key) for key in keys}
    assert set(found.values()) >= {name for name in documented if name in keys}


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        ("seed", OnResume.FIXED),
        ("method.name", OnResume.FIXED),
        ("method.head_lr", OnResume.FREE),
        ("architecture.recipe.scratch.epochs", OnResume.FREE),
        ("head.dropout", OnResume.FIXED),
        ("data.split_seed", OnResume.PAINTINGS),
        ("data.image_size", OnResume.FREE),
        ("data.shuffle_shards", OnResume.FREE),
        ("scheduler.floor", OnResume.FREE),
        ("data.no_such_key", OnResume.FIXED),
    ],
)
def test_a_field_s_rule_is_its_own_or_its_section_s(key, rule):
    assert on_resume(key) is rule


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),
        ("architecture.name", "alexnet"),
        ("head.hidden", [64]),
        ("architecture.weights", "none"),
        ("method.name", "scratch"),
        ("scheduler.name", "step"),
    ],
)
def test_a_value_that_has_to_stay_is_refused_by_name(save, values, tmp_path, key, value):
    path = save()
    with pytest.raises(InputError, match="can't change") as caught:
        plan(RunDirectory(tmp_path / "run"), changed(values, key, value), str(path))
    assert f"{key}: " in str(caught.value)
    assert f"{value!r} now" in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("method.head_lr", 0.5),
        ("scheduler.gamma", 0.5),
        ("data.batch_size", 7),
        ("data.image_size", 96),
        ("trainer.precision", "bf16-mixed"),
        ("trainer.max_epochs", 3),
    ],
)
@pytest.mark.parametrize("given", ["checkpoints/last.ckpt", ""])
def test_a_value_that_may_differ_is_no_hindrance(save, values, tmp_path, key, value, given):
    path = save()
    run = path.parents[1]
    assert plan(RunDirectory(tmp_path / "run"), changed(values, key, value), str(run / given)) == Plan("continue", path)


def test_what_can_t_be_started_from_is_said_in_one_message(save, values, tmp_path):
    def refusal(path, **keys):
        there = values
        for key, value in keys.items():
            there = changed(there, key.replace("__", "."), value)
        with pytest.raises(InputError) as caught:
            plan(RunDirectory(tmp_path / "run"), there, str(path))
        return str(caught.value)

    path = save()
    assert "has 2 epochs done" in refusal(path, trainer__max_epochs=2)
    assert "more than 2" in refusal(path, trainer__max_epochs=1)
    within = save("within.ckpt", batches=3)
    assert "within an epoch with data.batch_size=32" in refusal(within, data__batch_size=8)
    weights = torch.load(path, weights_only=True)
    del weights["optimizer_states"]
    torch.save(weights, path.with_name("best.ckpt"))
    assert f"give {path}" in refusal(path.with_name("best.ckpt"))
    assert "no checkpoint in this folder" in refusal(tmp_path)
    damaged = tmp_path / "damaged.ckpt"
    damaged.write_bytes(path.read_bytes()[:400])
    assert str(damaged) in refusal(damaged)
    unsaid = save("unsaid.ckpt", artculture={"format": CHECKPOINT_FORMAT, "classes": []})
    assert "does not say with which config" in refusal(unsaid)
    assert "does not say how far" in refusal(save("lost.ckpt", PaintingsDataModule={}))


def test_a_checkpoint_that_says_no_config_has_that_of_its_run(save, values, tmp_path):
    path = save(artculture={"format": CHECKPOINT_FORMAT, "classes": []})
    RunDirectory(path.parents[1]).write_config(values)
    assert plan(RunDirectory(tmp_path / "run"), values, str(path)).action == "continue"
    with pytest.raises(InputError, match="seed: 0 there, 1 now"):
        plan(RunDirectory(tmp_path / "run"), changed(values, "seed", 1), str(path))


@pytest.mark.parametrize(("state", "checkpoint"), [("running", True), ("finished", True), ("finished", False)])
def test_a_run_that_got_further_takes_no_other_checkpoint(run, save, values, state, checkpoint):
    path, directory = save(), run(state, checkpoint=checkpoint)
    with pytest.raises(InputError, match=f"{directory.path} has been trained already, from nothing"):
        plan(directory, values, str(path))


@pytest.mark.parametrize(("state", "action"), [("running", "continue"), ("failed", "continue"), ("finished", "skip")])
def test_the_same_command_again_continues(run, save, values, state, action):
    path = save()
    directory = run(state, origin={"path": str(path), "sha256": file_sha256(path), "epoch": 2})
    assert plan(directory, values, str(path)) == Plan(action, directory.last if action == "continue" else None)
    assert plan(directory, values, str(directory.path)).action == action
    save(epoch=2)
    with pytest.raises(InputError, match="as it was after epoch 2"):
        plan(directory, values, str(path))


def test_a_run_without_a_checkpoint_of_its_own_still_starts_from_the_other(run, save, values):
    path = save()
    directory = run("failed", checkpoint=False, origin=read_origin(path).record())
    assert plan(directory, values, "auto") == plan(directory, values, "must") == Plan("continue", path)
    assert json.loads((directory.path / "status.json").read_text())["origin"]["epoch"] == 2
    save(epoch=2)
    with pytest.raises(InputError, match="has changed since"):
        recorded_origin(directory)
    path.unlink()
    with pytest.raises(InputError, match=r"is gone, and has no checkpoint of its own: .* resume=never"):
        plan(directory, values, "auto")


def selection(splits, fingerprint="abc", classes=CLASSES):
    table = pd.DataFrame({"source": "", "object_id": list(splits), "culture": "red", "sha256": ""})
    table["sha256"] = table["object_id"].str.removesuffix("2")
    manifest = SimpleNamespace(table=table, fingerprint=lambda: fingerprint)
    return SimpleNamespace(manifest=manifest, split=np.array(list(splits.values())), classes=classes, further=())


HERE = {"a": "train", "b": "train", "c": "val", "d": "test"}


@pytest.mark.parametrize(
    ("splits", "wrong"),
    [
        ({**HERE, "e": "test"}, None),
        ({**HERE, "c": "train"}, None),
        ({**HERE, "a2": "test"}, "trained on 2 paintings, of which 1 are in the validation or test split"),
        ({**HERE, "a": "test"}, "trained on 2 paintings, of which 1 are in the validation or test split"),
        ({"b": "train", "c": "val"}, r"of which 1 are not among the paintings of this run \(2 removed \(a, d\)\)"),
    ],
)
def test_training_paintings_have_to_stay_training_paintings(save, values, splits, wrong):
    origin = read_origin(save())
    check_paintings(origin, values, selection(HERE))  # the same paintings: nothing to look up
    with pytest.raises(InputError, match="names the paintings"):
        check_paintings(origin, values, selection(splits, "xyz"))
    here = selection(HERE)
    here.manifest.table.assign(split=here.split).to_csv(origin.directory.split, index=False)
    if wrong is None:
        return check_paintings(origin, values, selection(splits, "xyz"))
    with pytest.raises(InputError, match=wrong):
        check_paintings(origin, changed(values, "data.split_seed", 7), selection(splits))
    with pytest.raises(InputError, match=wrong):
        check_paintings(origin, values, selection(splits, "xyz"))
    return None


def test_other_classes_are_refused(save, values):
    with pytest.raises(InputError, match=r"3 classes \(blue, green, red\)"):
        check_paintings(read_origin(save()), values, selection(HERE, classes=("blue", "red")))


def test_within_an_epoch_the_paintings_have_to_be_the_same(save, values):
    origin = read_origin(save(batches=2))
    check_paintings(origin, values, selection(HERE))
    with pytest.raises(InputError, match="within an epoch of other paintings"):
        check_paintings(origin, values, selection(HERE, "xyz"))
