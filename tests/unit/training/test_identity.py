import re
from copy import deepcopy
from pathlib import Path

import hydra
import pytest

from artculture.config.composition import resolved
from artculture.config.schema.train import TrainConfig
from artculture.config.validation import config_folder, is_known, known_keys, validated
from artculture.studies.run_name import locate_run
from artculture.training.identity import (
    CIRCUMSTANCES,
    MAX_NAME,
    NAMED_OTHERWISE,
    data_label,
    differences,
    leaves,
    run_name,
    variant,
)

USUAL = {
    "data": "sample",
    "augment": "standard",
    "head": "mlp",
    "optimizer": "sgd",
    "loss": "cross_entropy",
    "balance": "none",
}


def changed(base, **keys):
    values = deepcopy(base)
    for key, value in keys.items():
        *sections, last = key.split("__")
        part = values
        for section in sections:
            part = part[section]
        part[last] = value
    return values


@pytest.fixture(scope="module")
def base():
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        return resolved(hydra.compose("train"))


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({}, ""),
        ({"seed": 3}, "-seed=3"),
        ({"method__head_lr": 0.1}, "-head_lr=0.1"),
        ({"optimizer__weight_decay": 1e-05}, "-weight_decay=1e_05"),
        ({"head__hidden": [64, 32]}, "-hidden=64x32"),
        ({"architecture__weights": "/some/where/vgg.pth"}, "-weights=vgg.38f3"),
        ({"trainer__max_epochs": 3, "seed": 1}, "-seed=1"),
        ({"data__cultures": ["Dutch", "Indian"]}, "-cultures=DutchxIndian"),
        ({"augment__flip": False}, "-flip=False"),
        ({"data__image_size": None}, "-image_size=None"),
        ({"architecture__name": "vit/tiny model"}, None),
    ],
)
def test_a_name_tells_what_differs(base, keys, name):
    found = run_name(changed(base, **keys), base, USUAL, USUAL)
    if name is None:
        assert found == "vit_tiny_model-finetuned-plateau"
    else:
        assert found == "resnet50-finetuned-plateau" + name


@pytest.mark.parametrize(
    ("choices", "keys", "name"),
    [
        ({"augment": "strong"}, {}, "-strong"),
        ({"optimizer": "adamw", "head": "linear"}, {}, "-linear-adamw"),
        ({"loss": "custom"}, {"loss": {"_target_": "my_package.FocalLoss", "gamma": 2.0}}, "-FocalLoss"),
        ({"data": "met"}, {"data__name": "met"}, "-met"),
        ({"data": "folder"}, {"data__name": "folder", "data__root": "/home/ada/my pictures"}, "-my_pictures"),
    ],
)
def test_other_options_are_in_the_name(base, choices, keys, name):
    values = changed(base, **keys)
    assert run_name(values, values, {**USUAL, **choices}, USUAL) == "resnet50-finetuned-plateau" + name


@pytest.mark.parametrize(
    "keys",
    [
        {"data__root": "elsewhere"},
        {"data__cache": "/scratch"},
        {"data__num_workers": 7},
        {"trainer__accelerator": "gpu"},
        {"trainer__devices": 4},
        {"logger__name": "csv", "logger__tags": ["x"]},
        {"launcher__parallel": 3},
        {"study__name": "other"},
        {"resume": "must"},
        {"on_error": "stop"},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_circumstances_change_neither_name_nor_identity(base, keys):
    values = changed(base, **keys)
    assert run_name(values, base, USUAL, USUAL) == run_name(base, base, USUAL, USUAL)
    assert differences(values, base) == {}


def test_everything_else_is_identity(base):
    for key, value in leaves(base):
        if any(key == name or key.startswith(name + ".") for name in CIRCUMSTANCES):
            continue
        other = changed(base, **{key.replace(".", "__"): "other"})
        assert differences(base, other) == {key: (value, "other")}


def test_every_name_in_the_lists_is_a_key():
    keys = set(known_keys(TrainConfig))
    assert [name for name in CIRCUMSTANCES | NAMED_OTHERWISE if not is_known(name, keys)] == []


def test_a_key_that_is_only_in_one_config_is_a_difference():
    assert differences({"a": {"b": 1}}, {"a": {"b": 1, "c": None}}) == {}
    assert differences({"a": {"b": 1}}, {"a": {"c": 2}}) == {"a.b": (1, None), "a.c": (None, 2)}


def test_a_long_name_is_cut_and_stays_its_own(base):
    names = {
        run_name(changed(base, data__cultures=[f"culture{n}" for n in range(40)] + [last]), base, USUAL, USUAL)
        for last in ("x", "y")
    }
    assert len(names) == 2
    assert {len(name) for name in names} == {MAX_NAME}
    cultures = [f"culture{n}" for n in range(40)]
    seeded = [run_name(changed(base, data__cultures=cultures, seed=seed), base, USUAL, USUAL) for seed in (7, 12)]
    assert seeded[0].endswith("-seed=7")
    assert seeded[1].endswith("-seed=12")
    assert {len(name) for name in seeded} == {MAX_NAME}


def test_a_name_is_a_plain_folder_name(base):
    values = changed(base, architecture__weights="../../ein Gewicht: 50 %.pth", augment__name="ä/b")
    assert re.fullmatch(r"[\w.=+-]+", run_name(values, base, USUAL, USUAL))


def test_variant_leaves_architecture_method_schedule_and_seed_out(base):
    values = changed(base, architecture__name="alexnet", method__name="scratch", seed=4, trainer__max_epochs=2)
    assert variant(values, base, USUAL, USUAL) == ["max_epochs=2"]


def placed(*overrides, **more):
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        composed = hydra.compose("train", list(overrides), return_hydra_config=True)
        return locate_run(
            validated(TrainConfig, resolved(composed)), dict(composed.hydra.runtime.choices), composed, **more
        )[0]


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        ([], "outputs/default/resnet50-finetuned-plateau"),
        (["study.name=mine", "study.root=/data"], "/data/mine/resnet50-finetuned-plateau"),
        (["architecture=alexnet", "method=scratch"], "outputs/default/alexnet-scratch-plateau"),
        # recipes belong to the options: only what the user changed beyond them is named
        (["architecture=vgg16_bn", "method=transfer", "data=met"], "outputs/default/vgg16_bn-transfer-plateau-met"),
        (["data=met", "trainer.max_epochs=30"], "outputs/default/resnet50-finetuned-plateau-met"),
        (["data=met", "trainer.max_epochs=31"], "outputs/default/resnet50-finetuned-plateau-met"),
        (["scheduler=step", "seed=2"], "outputs/default/resnet50-finetuned-step-seed=2"),
        (["trainer=cpu", "logger=csv"], "outputs/default/resnet50-finetuned-plateau"),
        (["row=resnet50_step_scratch"], "outputs/default/resnet50-scratch-step"),
    ],
)
def test_a_composed_run_has_its_place(overrides, path):
    assert placed(*overrides) == Path(path)


def test_numbers_of_epochs_that_a_grid_compares_are_in_the_name():
    assert placed("trainer.max_epochs=9", with_epochs=True).name == "resnet50-finetuned-plateau-max_epochs=9"


def test_a_split_of_all_seeds_is_in_the_name_of_the_seed_that_equals_it():
    names = [placed(f"seed={seed}", "data.split_seed=0").name for seed in (0, 1)]
    assert names == [f"resnet50-finetuned-plateau-split_seed=0{ending}" for ending in ("", "-seed=1")]
    assert placed("seed=1", "data.split_seed=${seed}").name == "resnet50-finetuned-plateau-seed=1"


def test_the_order_of_typing_does_not_matter():
    typed = ["method.head_lr=0.1", "trainer.max_epochs=3", "architecture=alexnet", "seed=1"]
    assert placed(*typed) == placed(*reversed(typed))


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("method.head_lr", (0.1, 0.1000001)),
        ("method.head_lr", (1e-5, 1.0000001e-5)),
        ("architecture.weights", ("a/best.ckpt", "b/best.ckpt")),
    ],
)
def test_values_that_look_alike_have_folders_of_their_own(base, key, values):
    names = {run_name(changed(base, **{key.replace(".", "__"): value}), base, USUAL, USUAL) for value in values}
    assert len(names) == 2


def test_the_name_of_remote_data_holds_no_token():
    data = {"name": "shards", "root": "s3://me:secret@museum/paintings?token=secret#secret=1"}
    assert data_label({"data": data}) == "paintings"
