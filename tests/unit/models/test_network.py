import pytest
import timm
import torch
import torchvision
from torch import nn

from artculture.models.heads import mlp_head
from artculture.models.network import Network, last_stage


@pytest.mark.parametrize(("hidden", "shapes"), [
    ([512, 128], [(512, 2048), (128, 512), (11, 128)]),
    ([64], [(64, 2048), (11, 64)]),
    ([9, 8, 7], [(9, 2048), (8, 9), (7, 8), (11, 7)]),
])  # fmt: skip
def test_sizes(hidden, shapes):
    head = mlp_head(2048, hidden, 11)
    assert [tuple(layer.weight.shape) for layer in head if isinstance(layer, nn.Linear)] == shapes
    assert head(torch.zeros(5, 2048)).shape == (5, 11)


def test_the_paper_s_three_layers_with_relu_between_and_none_after():
    kinds = [type(layer) for layer in mlp_head(2048, [512, 128], 11)]
    assert kinds == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]


def test_it_gives_logits():
    torch.manual_seed(0)
    out = mlp_head(64, [32, 16], 11)(torch.randn(200, 64))
    assert 0.1 < (out < 0).float().mean() < 0.9
    assert not torch.allclose(out.sum(dim=1), torch.ones(200))


def test_dropout_comes_before_each_layer_and_not_in_eval():
    head = mlp_head(64, [32, 16], 4, dropout=0.5)
    assert [type(layer) for layer in head if not isinstance(layer, nn.ReLU)] == [nn.Dropout, nn.Linear] * 3
    features = torch.randn(3, 64)
    assert not torch.equal(head(features), head(features))
    head.eval()
    assert torch.equal(head(features), head(features))


@pytest.fixture
def network(small):
    return Network(small.module, mlp_head(small.features, [6], 3))


def step(network):
    """One optimiser step on everything that may change; returns what did."""
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.5, weight_decay=0.1)
    network.train()
    network(torch.randn(16, 3, 8, 8)).square().sum().backward()
    optimizer.step()
    return {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}


def test_unfrozen_everything_changes(network):
    assert step(network) == set(network.state_dict())


def test_a_frozen_backbone_keeps_parameters_and_statistics(network):
    network.freeze_backbone()
    assert step(network) == {key for key in network.state_dict() if key.startswith("head.")}


def test_frozen_batchnorm_uses_its_own_statistics_in_training(network):
    network.freeze_backbone()
    pictures = torch.randn(16, 3, 8, 8) * 5 + 3
    evaluated = network.eval().backbone(pictures)
    assert torch.equal(network.train().backbone(pictures), evaluated)
    assert network.head.training


def test_layers_without_weights_continue_training(network):
    network.freeze_backbone(except_for=["classifier.0"])
    changed = {key for key in step(network) if key.startswith("backbone")}
    assert changed == {"backbone.classifier.0.weight", "backbone.classifier.0.bias"}


def test_a_thawed_layer_follows_train_and_eval(network):
    network.freeze_backbone(except_for=["classifier.0"])
    network.train()
    modes = {name: module.training for name, module in network.backbone.named_modules()}
    assert [name for name, training in modes.items() if training] == ["classifier.0"]
    network.eval()
    assert not any(module.training for module in network.modules())


def test_a_held_backbone_is_in_eval_mode_until_all_of_it_trains(network):
    assert step(network) == set(network.state_dict())
    for all_but, trained in {
        "nothing": (),
        "last stage": ("classifier",),
        "everything": ("features", "classifier"),
    }.items():
        held = {id(parameter) for parameter in network.hold_backbone(all_but)}
        network.eval()
        network.train()
        modes = {name for name, module in network.backbone.named_children() if module.training}
        assert modes >= set(trained)
        assert not modes & ({"features", "classifier"} - set(trained))
        own = {name for name, parameter in network.backbone.named_parameters() if id(parameter) not in held}
        assert {name.partition(".")[0] for name in own} == set(trained)
        assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(("backbone", "name"), [
    (lambda: timm.create_model("test_resnet", num_classes=0), "layer4"),
    (lambda: timm.create_model("test_vit", num_classes=0), "blocks.5"),
    (lambda: timm.create_model("tf_efficientnet_lite0", num_classes=0), "blocks.5"),  # of the two at 7 x 7
    (lambda: torchvision.models.resnet18(num_classes=1), "fc"),
])  # fmt: skip
def test_the_last_stage(backbone, name):
    assert last_stage(backbone()) == name
