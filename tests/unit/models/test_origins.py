import json
import re

import pytest
import timm
import torch
from safetensors.torch import save_file

from artculture.models import backbones, origins
from artculture.models.backbones import make_backbone
from artculture.models.weights import load_start

# Each tag as its model card on https://huggingface.co/timm says.
TAGS = {
    "in1k": "ImageNet-1k",
    "tf_in1k": "ImageNet-1k",
    "r160_in1k": "ImageNet-1k",
    "fb_in22k_ft_in1k": "ImageNet-22k → ImageNet-1k",
    "augreg2_in21k_ft_in1k": "ImageNet-21k → ImageNet-1k",
    "sw_in12k": "ImageNet-12k",
    "laion2b_ft_in12k_in1k": "LAION-2B → ImageNet-12k → ImageNet-1k",
    "lvd142m": "LVD-142M",
    "fb_swsl_ig1b_ft_in1k": "IG-1B → ImageNet-1k",
    "ns_jft_in1k_475": "JFT-300M → ImageNet-1k",
    "in1k_ft_in22k_in1k": "ImageNet-1k → ImageNet-22k → ImageNet-1k",
    "mae": "unknown data",
    "": "unknown data",
}


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_of_timm_says_what_weights_were_trained_on(tag):
    origin = origins.of_timm({"architecture": "net", "tag": tag})
    assert origin.data == TAGS[tag]
    assert origin.imagenet == (TAGS[tag] == "ImageNet-1k")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("convnext_base", "ImageNet-22k → ImageNet-1k (timm convnext_base.fb_in22k_ft_in1k)"),
        ("vit_small_patch14_dinov2", "LVD-142M (timm vit_small_patch14_dinov2.lvd142m)"),
        ("hiera_tiny_224.mae", "unknown data (timm hiera_tiny_224.mae)"),
        ("efficientnet_lite0", "ImageNet-1k (timm tf_efficientnet_lite0.in1k)"),
    ],
)
def test_labels_of_timm_s_own_weights(name, label):
    assert str(origins.of_timm(backbones.timm_config(name))) == label


def test_the_last_data_set_of_a_tag_has_as_many_classes_as_timm_says():
    named = {21841: "ImageNet-2", 21843: "ImageNet-2", 11821: "ImageNet-12k", 1000: "ImageNet-1k"}
    for name in timm.list_pretrained():
        config = timm.get_pretrained_cfg(name)
        data = origins.trained_on(config.tag)
        if config.num_classes in named and data != origins.UNKNOWN_DATA:
            assert data.split(" → ")[-1].startswith(named[config.num_classes]), name


@pytest.fixture
def state():
    return {key: value + 1 for key, value in timm.create_model("test_resnet", num_classes=0).state_dict().items()}


def started(path):
    return load_start(make_backbone("test_resnet", "timm"), "test_resnet", "timm", str(path))


def test_a_file_is_known_by_the_hash_in_the_name_that_its_library_gives_it(tmp_path, state, monkeypatch):
    torch.save(state, tmp_path / "renamed.pth")
    digest = origins.file_sha256(tmp_path / "renamed.pth")
    config = {"architecture": "test_resnet", "tag": "in1k", "url": f"https://host/test_resnet-{digest[:8]}.pth"}
    monkeypatch.setattr(backbones, "timm_configs", lambda _: [config])
    start = started(tmp_path / "renamed.pth")
    assert start.label == "file renamed.pth: ImageNet-1k (timm test_resnet.in1k), 90 of 90 tensors"
    assert start.imagenet


def test_torchvision_s_files_are_known_by_their_hashes(tmp_path, monkeypatch):
    url = backbones.torchvision_member("resnet50", "IMAGENET1K_V2").url
    start = re.search(r"-(\w{8})\.pth", url)[1]
    monkeypatch.setattr(origins, "file_sha256", lambda _: start.ljust(64, "0"))
    assert str(origins.of_file(tmp_path / "any.pth", "resnet50", "torchvision")) == "ImageNet-1k (IMAGENET1K_V2)"
    assert origins.of_file(tmp_path / "any.pth", "alexnet", "torchvision") == origins.UNKNOWN


def test_a_file_that_nothing_describes_is_of_unknown_data(tmp_path, state):
    torch.save(state, tmp_path / "w.pth")
    start = started(tmp_path / "w.pth")
    assert start.label == "file w.pth: unknown data, 90 of 90 tensors"
    assert not start.imagenet


def test_metadata_of_safetensors_are_said(tmp_path, state):
    save_file(state, tmp_path / "w.safetensors", metadata={"dataset": "WikiArt"})
    assert started(tmp_path / "w.safetensors").label.startswith("file w.safetensors: WikiArt (says w.safetensors)")


def test_a_description_from_the_hub_next_to_the_file_is_said(tmp_path, state):
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert "unknown data" in started(tmp_path / "model.safetensors").label
    described = {"architecture": "test_resnet", "pretrained_cfg": {"tag": "sw_in12k"}}
    (tmp_path / "config.json").write_text(json.dumps(described))
    assert "ImageNet-12k (timm test_resnet.sw_in12k)" in started(tmp_path / "model.safetensors").label


def test_a_checkpoint_of_a_run_says_what_the_run_was(tmp_path, state):
    said = {"format": 1, "data": "met", "weights": "ImageNet-1k (IMAGENET1K_V1)"}
    inside = {f"network.backbone.{key}": value for key, value in state.items()}
    torch.save({"artculture": said, "state_dict": inside}, tmp_path / "best.ckpt")
    start = started(tmp_path / "best.ckpt")
    assert start.label.startswith("file best.ckpt: a run on met that started from ImageNet-1k (IMAGENET1K_V1), 90 of")
    assert not start.imagenet
