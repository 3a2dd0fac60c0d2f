import pytest
import torch

from artculture.analysis.saliency.last_feature_map import (
    FeatureMapLocation,
    eval_mode,
    last_feature_maps,
    locate_feature_map,
    locate_gradient_map,
    replaced_output,
)
from artculture.models.classifier import CultureClassifier
from artculture.utils.errors import InputError

# Every architecture of conf/ and a model of each of timm's families; at 224 px unless they ask for another size.
SHAPES = {
    ("resnet50", "torchvision"): (2048, 7, 7),
    ("vgg16_bn", "torchvision"): (512, 7, 7),
    ("alexnet", "torchvision"): (256, 6, 6),
    ("efficientnet_lite0", "timm"): (1280, 7, 7),
    ("test_resnet", "timm"): (96, 5, 5),
    ("test_efficientnet", "timm"): (256, 5, 5),
    ("test_convnext", "timm"): (64, 5, 5),
    ("test_nfnet", "timm"): (192, 5, 5),
    ("test_vit", "timm"): (64, 10, 10),
    ("test_vit3", "timm"): (96, 10, 10),
    ("mobilenetv3_small_050", "timm"): (288, 7, 7),
    ("densenet121", "timm"): (1024, 7, 7),
    ("deit_tiny_distilled_patch16_224", "timm"): (192, 14, 14),
    ("vit_small_patch14_reg4_dinov2", "timm"): (384, 37, 37),
    ("swin_tiny_patch4_window7_224", "timm"): (768, 7, 7),
    ("maxvit_tiny_tf_224", "timm"): (512, 7, 7),
}


def on_meta(name: str, library: str = "timm") -> CultureClassifier:
    with torch.device("meta"):
        return CultureClassifier(name, library, ["a", "b"])


def pictures_for(classifier: CultureClassifier, count: int = 2, seed: int = 0) -> torch.Tensor:
    size = classifier.preprocessing.image_size
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize(("model", "shape"), SHAPES.items(), ids=lambda value: value[0])
def test_the_last_map_of_every_family(model, shape):
    classifier = on_meta(*model)
    maps = last_feature_maps(classifier, pictures_for(classifier))
    assert maps.shape == (2, *shape)
    assert maps.dtype == torch.float32


@pytest.mark.parametrize("name", ["mixer_s16_224", "hiera_tiny_224"])
def test_an_architecture_without_a_map_is_named(name):
    with pytest.raises(InputError, match=f"architecture {name} has no spatial feature map"):
        locate_feature_map(on_meta(name))


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "test_convnext"])
def test_maps_equal_those_of_timm(name):
    classifier = CultureClassifier(name, "timm", ["a", "b"], image_size=160).eval()
    pictures = pictures_for(classifier)
    normal = (pictures.float() / 255 - classifier.mean.view(3, 1, 1)) / classifier.std.view(3, 1, 1)
    with torch.no_grad():
        arguments = {"norm": True} if name == "test_vit" else {}
        (expected,) = classifier.network.backbone.forward_intermediates(
            normal, indices=1, intermediates_only=True, **arguments
        )
    torch.testing.assert_close(last_feature_maps(classifier, pictures), expected)


@pytest.mark.parametrize(
    ("place", "shape"),
    [
        (FeatureMapLocation("x", "NCHW", 0, "x"), (2, 3, 4, 4)),
        (FeatureMapLocation("x", "NHWC", 0, "x"), (2, 4, 4, 3)),
        (FeatureMapLocation("x", "tokens", 1, "x"), (2, 17, 3)),
        (FeatureMapLocation("x", "tokens", 1, "x"), (2, 16, 3)),
        (FeatureMapLocation("x", "tokens", 5, "x"), (2, 21, 3)),
    ],
)
def test_a_map_read_and_written_back_changes_nothing(place, shape):
    output = torch.randn(shape)
    maps = place.read(output)
    assert maps.shape == (2, 3, 4, 4)
    assert torch.equal(place.write(output, maps), output)


def test_tokens_are_row_major_after_the_prefix():
    tokens = torch.tensor([[[9.0], [1.0], [2.0], [3.0], [4.0]]])
    assert FeatureMapLocation("x", "tokens", 1, "x").read(tokens).tolist() == [[[[1.0, 2.0], [3.0, 4.0]]]]


def test_tokens_without_a_square_grid_are_an_error():
    with pytest.raises(InputError, match="its 13 tokens are not a square grid"):
        FeatureMapLocation("x", "tokens", 1, "x").read(torch.zeros(1, 13, 4))


@pytest.mark.parametrize(
    ("name", "place"),
    [("test_vit", "blocks.5.norm1"), ("test_vit2", "forward_features"), ("test_vit3", "forward_features")],
)
def test_a_head_on_the_class_token_uses_the_map_before_the_last_attention(name, place):
    assert locate_gradient_map(on_meta(name)).name == place


@pytest.mark.parametrize("name", ["forward_features", "layer4"])
def test_the_backbone_is_restored_after_an_error(name):
    classifier = CultureClassifier("test_resnet", "timm", ["a", "b"], image_size=32)
    backbone = classifier.network.backbone
    with pytest.raises(RuntimeError, match="stop"), replaced_output(classifier, name, lambda output: output):
        raise RuntimeError("stop")
    assert "forward_features" not in vars(backbone)
    assert not backbone.layer4._forward_hooks


def test_modes_of_submodules_are_restored():
    classifier = CultureClassifier("test_resnet", "timm", ["a", "b"], image_size=32, method="transfer")
    classifier.train()
    classifier.network.backbone.layer1.eval()
    before = [part.training for part in classifier.modules()]
    with eval_mode(classifier):
        assert not any(part.training for part in classifier.modules())
    assert [part.training for part in classifier.modules()] == before
