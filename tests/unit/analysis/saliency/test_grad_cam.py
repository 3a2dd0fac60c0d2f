import numpy as np
import pytest
import torch
from torch import nn

from artculture.analysis.saliency.feature_maps import rescale
from artculture.analysis.saliency.grad_cam import grad_cam
from artculture.models.classifier import CultureClassifier


class RedAndGreen(nn.Module):
    """Two channels, the red and the green of each place, averaged over places."""

    def forward_features(self, x):
        return x[:, :2]

    def forward_head(self, x):
        return x.mean((2, 3))

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


@pytest.fixture
def by_hand() -> CultureClassifier:
    classifier = CultureClassifier("test_resnet", "timm", ["a", "b", "c"], image_size=2)
    classifier.mean.zero_()
    classifier.std.fill_(1)
    linear = nn.Linear(2, 3)
    linear.weight.data = torch.tensor([[1.0, -0.5], [-1.0, 2.0], [-1.0, -1.0]])
    classifier.network.backbone, classifier.network.head = RedAndGreen(), nn.Sequential(linear)
    return classifier


def stub(name: str, method: str = "finetuned") -> CultureClassifier:
    torch.manual_seed(0)
    classifier = CultureClassifier(name, "timm", ["a", "b", "c"], image_size=160, method=method)
    classifier._freeze()
    return classifier


def some_pictures() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 160, 160), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("target", "expected"),
    # red - green / 2; 2 green - red, of which the largest is 2; and no evidence for the third
    [(0, [[1.0, 0.0], [0.0, 0.5]]), (1, [[0.0, 1.0], [0.0, 0.5]]), (2, [[0.0, 0.0], [0.0, 0.0]])],
)
def test_grad_cam_by_hand(by_hand, target, expected):
    red, green = [[255, 0], [0, 255]], [[0, 255], [0, 255]]
    picture = torch.tensor([[red, green, [[0, 0], [0, 0]]]], dtype=torch.uint8)
    np.testing.assert_allclose(grad_cam(by_hand, picture, torch.tensor([target]))[0], expected, atol=1e-6)


def test_grad_cam_with_a_class_token_equals_plain_autograd():
    classifier, pictures, kept = stub("test_vit").eval(), some_pictures(), []
    norm = classifier.network.backbone.blocks[5].norm1
    hook = norm.register_forward_hook(lambda _m, _i, output: kept.append(output))
    logits = classifier(pictures)
    hook.remove()
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), kept[0])
    weights = gradient[:, 1:].mean(1, keepdim=True)
    expected = (weights * kept[0][:, 1:]).sum(2).relu().reshape(2, 10, 10).detach()
    cam = grad_cam(classifier, pictures, torch.tensor([1, 1]))
    assert cam.any()
    np.testing.assert_allclose(cam, rescale(expected, floor=0.0), atol=1e-4)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet", "test_mambaout"])
@pytest.mark.parametrize("method", ["finetuned", "transfer"])
def test_the_classifier_is_unchanged(name, method):
    classifier = stub(name, method).train()
    before = [(p.requires_grad, p.clone()) for p in classifier.parameters()]
    modes = [part.training for part in classifier.modules()]
    with torch.inference_mode():
        first = grad_cam(classifier, some_pictures(), torch.tensor([0, 2]))
    second = grad_cam(classifier, some_pictures(), torch.tensor([0, 2]))
    assert np.array_equal(first, second)
    for parameter, (asked, was) in zip(classifier.parameters(), before, strict=True):
        assert parameter.requires_grad == asked
        assert torch.equal(parameter, was)
    assert all(p.grad is None for p in classifier.parameters())
    assert [part.training for part in classifier.modules()] == modes
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in classifier.modules())
    assert "forward_features" not in vars(classifier.network.backbone)


def test_a_frozen_backbone_gives_the_same_map_as_a_trainable_one():
    frozen, free = stub("test_resnet", "transfer"), stub("test_resnet", "finetuned")
    targets = torch.tensor([1, 2])
    assert np.array_equal(grad_cam(frozen, some_pictures(), targets), grad_cam(free, some_pictures(), targets))
