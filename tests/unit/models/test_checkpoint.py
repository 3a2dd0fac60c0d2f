import os
from pathlib import Path

import pytest
import torch

from artculture.models.checkpoint import check_classes, load_classifier, read_checkpoint, store_temperature
from artculture.models.classifier import CHECKPOINT_FORMAT
from artculture.utils.errors import InputError


@pytest.fixture
def saved(make, fit, tmp_path):
    """A classifier after two epochs and its checkpoint."""
    module = make(dropout=0.3)
    module.provenance = {"manifest": "abc"}
    module.start_from("none")
    fit(module).save_checkpoint(tmp_path / "a.ckpt")
    return module.eval(), tmp_path / "a.ckpt"


def test_it_predicts_the_same_bit_for_bit_from_the_file_alone(saved, held_out):
    module, path = saved
    again = load_classifier(path)
    assert not again.training
    for pictures, _, _ in held_out:
        assert torch.equal(again(pictures), module(pictures))


def test_it_is_read_without_unpickling(saved):
    content = torch.load(saved[1], weights_only=True)
    ours = content["artculture"]
    assert ours["classes"] == ["blue", "green", "red"]
    assert ours["preprocessing"] == {
        "image_size": 32, "resize": 34, "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3,
        "fit": "crop",
    }  # fmt: skip
    assert (ours["weights"], ours["manifest"]) == ("random", "abc")


def test_a_rebuilt_classifier_knows_classes_and_size(saved):
    again = load_classifier(saved[1])
    assert again.classes == ("blue", "green", "red")
    assert again.preprocessing == saved[0].preprocessing


def test_rebuilding_needs_no_pretrained_weights(make, fit, tmp_path, monkeypatch):
    module = make(method="finetuned")
    fit(module, epochs=1).save_checkpoint(tmp_path / "a.ckpt")
    monkeypatch.setattr("artculture.models.classifier.load_start", None)
    assert load_classifier(tmp_path / "a.ckpt").hyper["method"] == "finetuned"


def test_the_same_classes_pass(saved):
    check_classes(read_checkpoint(saved[1]), saved[1], ("blue", "green", "red"))


@pytest.mark.parametrize("classes", [("blue", "red"), ("red", "green", "blue"), ("Dutch", "Indian", "Chinese")])
def test_another_class_list_is_refused(saved, classes):
    with pytest.raises(InputError) as caught:
        check_classes(read_checkpoint(saved[1]), saved[1], classes)
    message = str(caught.value)
    assert str(saved[1]) in message
    assert "3 classes (blue, green, red)" in message
    assert f"{len(classes)} ({', '.join(classes)})" in message
    assert "resume=never" in message


class Burglar:
    def __init__(self, loot: Path) -> None:
        self.loot = loot

    def __reduce__(self):
        return (os.mkdir, (str(self.loot),))


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="no checkpoint at"):
        read_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize(
    ("asked", "says"),
    [("s/resnet-step", "did you mean `.*s/resnet50-step`"), ("s", "give one of its runs, .*s/alexnet-step, ")],
)
def test_runs_that_may_have_been_meant_are_named(tmp_path, asked, says):
    for run in ("alexnet-step", "resnet50-step"):
        (tmp_path / "s" / run / "checkpoints").mkdir(parents=True)
        (tmp_path / "s" / run / "checkpoints" / "best.ckpt").touch()
    with pytest.raises(InputError, match=says):
        read_checkpoint(tmp_path / asked / "checkpoints" / "best.ckpt")


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    torch.save({"artculture": Burglar(tmp_path / "loot")}, tmp_path / "a.ckpt")
    with pytest.raises(InputError, match="can't be read safely"):
        read_checkpoint(tmp_path / "a.ckpt")
    assert not (tmp_path / "loot").exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 half a zip"])
def test_no_checkpoint_at_all(tmp_path, content):
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(InputError, match="can't be read safely"):
        read_checkpoint(tmp_path / "a.ckpt")


def test_a_cut_off_checkpoint(saved):
    os.truncate(saved[1], saved[1].stat().st_size // 2)
    with pytest.raises(InputError, match="can't be read safely"):
        read_checkpoint(saved[1])


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {}},
        {"state_dict": {}, "hyper_parameters": {}},
        [1, 2],
        {"artculture": 1, "hyper_parameters": {}},
        torch.ones(2),
    ],
)
def test_a_foreign_checkpoint_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(InputError, match="is no checkpoint of artculture"):
        read_checkpoint(tmp_path / "a.ckpt")


def test_a_checkpoint_of_another_format_is_refused(saved):
    content = torch.load(saved[1], weights_only=True)
    content["artculture"]["format"] = 99
    torch.save(content, saved[1])
    with pytest.raises(InputError, match=f"has format 99, this version reads {CHECKPOINT_FORMAT}"):
        read_checkpoint(saved[1])


def test_a_temperature_is_stored_and_all_else_stays(saved):
    before = torch.load(saved[1], weights_only=True)
    assert load_classifier(saved[1]).temperature == 1.0
    store_temperature(saved[1], 1.75)
    after = torch.load(saved[1], weights_only=True)
    assert load_classifier(saved[1]).temperature == 1.75
    assert before.keys() == after.keys()
    assert after["artculture"] == before["artculture"] | {"temperature": 1.75}
    assert all(torch.equal(after["state_dict"][key], value) for key, value in before["state_dict"].items())


def test_a_write_that_fails_leaves_the_checkpoint_whole(saved, monkeypatch):
    before = saved[1].read_bytes()
    monkeypatch.setattr(torch, "save", lambda _, file: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store_temperature(saved[1], 1.75)
    assert saved[1].read_bytes() == before
    assert list(saved[1].parent.iterdir()) == [saved[1]]


def test_weights_that_are_not_finite_are_refused(saved):
    content = torch.load(saved[1], weights_only=True)
    content["state_dict"]["network.backbone.conv1.0.weight"][2] = float("nan")
    torch.save(content, saved[1])
    with pytest.raises(InputError, match=r"a\.ckpt: the weights network\.backbone\.conv1\.0\.weight are not finite"):
        load_classifier(saved[1])


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf"), "warm"])
def test_a_temperature_that_is_none_is_refused(saved, temperature):
    store_temperature(saved[1], temperature)
    with pytest.raises(InputError, match="temperature"):
        load_classifier(saved[1])
