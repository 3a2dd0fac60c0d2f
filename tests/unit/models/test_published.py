import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from artculture.models.checkpoint import load_classifier, read_checkpoint
from artculture.models.published import write_published
from artculture.utils.errors import InputError


@pytest.fixture
def published(make, fit, tmp_path):
    module = make(dropout=0.3)
    module.provenance = {"manifest": "abc", "path": "/home/somebody"}
    module.start_from("none")
    module.temperature = 1.5
    fit(module, epochs=1).save_checkpoint(tmp_path / "a.ckpt")
    return module.eval(), write_published(read_checkpoint(tmp_path / "a.ckpt"), tmp_path / "model.safetensors")


def test_it_predicts_the_same_bit_for_bit_from_the_file_alone(published, held_out):
    module, path = published
    again = load_classifier(path)
    assert (again.temperature, again.classes, again.training) == (1.5, module.classes, False)
    for pictures, _, _ in held_out:
        assert torch.equal(again(pictures), module(pictures))


def test_what_says_how_the_run_was_made_is_not_published(published):
    with safe_open(published[1], framework="pt") as file:
        assert "somebody" not in str(file.metadata())
    assert "optimizer_states" not in read_checkpoint(published[1])


def test_files_that_hold_no_classifier(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"no tensors")
    with pytest.raises(InputError, match="can't be read as a safetensors file"):
        read_checkpoint(path)
    for header in ({}, {"artculture": "[1]"}):
        save_file({"a": torch.zeros(2)}, path, header)
        with pytest.raises(InputError, match="holds weights alone"):
            read_checkpoint(path)
    save_file({"a": torch.zeros(2)}, path, {"artculture": "{"})
    with pytest.raises(InputError, match="not JSON"):
        read_checkpoint(path)


def test_code_of_others_needs_trust(published, tmp_path):
    content = read_checkpoint(published[1])
    content["hyper_parameters"]["head"] = {"_target_": "foreign.Head"}
    path = write_published(content, tmp_path / "b.safetensors")
    with pytest.raises(InputError, match=r"trust=\[foreign\]"):
        load_classifier(path)


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_an_exported_file_is_no_checkpoint(tmp_path, suffix):
    (tmp_path / f"a{suffix}").touch()
    with pytest.raises(InputError, match="an exported file, which `predict` takes"):
        read_checkpoint(tmp_path / f"a{suffix}")
