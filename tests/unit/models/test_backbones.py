import pytest
import timm
import torch
import torchvision
from torch import nn

from artculture.data.transforms import Preprocessing
from artculture.models.backbones import make_backbone, preprocessing_of
from artculture.utils.errors import InputError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
FEATURES = {"resnet50": 2048, "vgg16_bn": 4096, "alexnet": 4096}


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("size", [64, 224, 256])
def test_torchvision_gives_vectors_at_any_size(name, size):
    with torch.device("meta"):
        backbone = make_backbone(name, "torchvision")
        vectors = backbone.module(torch.zeros(2, 3, size, size))
    assert backbone.features == FEATURES[name]
    assert vectors.shape == (2, FEATURES[name])


@pytest.mark.parametrize(
    ("name", "size"),
    [("resnet50", 64), ("alexnet", 64), ("alexnet", 224), pytest.param("vgg16_bn", 224, marks=pytest.mark.slow)],
)
def test_only_the_last_layer_is_taken_away(name, size):
    whole = getattr(torchvision.models, name)().eval()
    backbone = make_backbone(name, "torchvision")
    last = whole.get_submodule(backbone.last_layer)
    assert isinstance(last, nn.Linear)
    state = {key: value for key, value in whole.state_dict().items() if not key.startswith(backbone.last_layer)}
    backbone.module.load_state_dict(state, strict=True)
    pictures = torch.randn(2, 3, size, size)
    with torch.no_grad():
        torch.testing.assert_close(last(backbone.module.eval()(pictures)), whole(pictures))


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet", "test_convnext", "test_mambaout"])
@pytest.mark.parametrize("size", [160])
def test_timm_models_end_in_a_vector_of_the_length_they_say(name, size):
    if not timm.is_model(name):
        pytest.skip(f"this timm has no {name}")
    backbone = make_backbone(name, "timm")
    assert backbone.module.eval()(torch.zeros(1, 3, size, size)).shape == (1, backbone.features)
    whole = timm.create_model(name)
    last = dict(whole.named_modules())[backbone.last_layer]
    assert last.in_features == backbone.features


@pytest.mark.parametrize("name", ["vgg11_bn", "mobilenetv3_small_050"])
def test_a_hidden_layer_before_the_classifier_counts(name):
    with torch.device("meta"):
        backbone = make_backbone(name, "timm")
        assert backbone.module(torch.zeros(2, 3, 224, 224)).shape == (2, backbone.features)


PREPROCESSING = {
    # torchvision's model pages: resize 256, crop 224, bilinear, for all three
    ("resnet50", "torchvision"): Preprocessing(224, 256, "bilinear", *IMAGENET),
    ("vgg16_bn", "torchvision"): Preprocessing(224, 256, "bilinear", *IMAGENET),
    ("alexnet", "torchvision"): Preprocessing(224, 256, "bilinear", *IMAGENET),
    # timm's results tables: 224 px, crop 0.875, bicubic, mean = std = 0.5
    ("efficientnet_lite0", "timm"): Preprocessing(224, 256, "bicubic", (0.5,) * 3, (0.5,) * 3),
    # 0.875 as well, but with the usual mean
    ("resnet18", "timm"): Preprocessing(224, 236, "bicubic", *IMAGENET),
    ("test_vit", "timm"): Preprocessing(160, 168, "bicubic", (0.5,) * 3, (0.5,) * 3),
}


@pytest.mark.parametrize(("model", "expected"), PREPROCESSING.items())
def test_preprocessing_is_what_the_weights_expect(model, expected):
    assert preprocessing_of(*model) == expected


def test_preprocessing_needs_no_network_to_be_built(monkeypatch):
    monkeypatch.setattr(torchvision.models.ResNet, "__init__", None)
    assert preprocessing_of("resnet50", "torchvision").image_size == 224


def test_the_built_backbone_says_the_same_preprocessing():
    assert make_backbone("test_resnet", "timm").preprocessing == preprocessing_of("test_resnet", "timm")


@pytest.mark.parametrize(
    ("name", "library", "says"),
    [("resnet5", "torchvision", "`resnet50`"), ("resnet5", "timm", "is no model of timm"), ("x/y", "timm", "no model")],
)
@pytest.mark.parametrize("ask", [make_backbone, preprocessing_of])
def test_unknown_names(ask, name, library, says):
    with pytest.raises(InputError, match=rf"architecture\.name={name}.*{says}"):
        ask(name, library)


def test_random_alexnet_lets_pictures_through():
    torch.manual_seed(0)
    module = make_backbone("alexnet", "torchvision").module.eval()
    with torch.no_grad():
        features = module(torch.randn(16, 3, 224, 224))
    assert 0.05 < features.std(dim=0).mean() < 20


def test_a_random_resnet_starts_with_blocks_that_are_the_identity():
    blocks = [m for m in make_backbone("resnet50", "torchvision").module.modules() if hasattr(m, "bn3")]
    assert len(blocks) == 16
    assert all((block.bn3.weight == 0).all() for block in blocks)
