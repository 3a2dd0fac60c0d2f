import pytest
import timm
import torch
from timm.optim import get_optimizer_info, list_optimizers
from torch import nn

from artculture.models.heads import mlp_head
from artculture.models.network import Network
from artculture.models.optimizers import build_optimizer, learning_rates, parameter_groups
from artculture.utils.errors import InputError

SECTION = {"name": "timm", "opt": "adamw", "args": {}, "weight_decay": 0.05}


def network(name="test_vit"):
    return Network(timm.create_model(name, num_classes=0), mlp_head(64, [8], 3))


def groups(net, method="finetuned", **section):
    return parameter_groups(net, method, 0.1, 0.01, {**SECTION, **section})


def test_the_usual_groups_are_head_and_backbone():
    found = groups(network())
    assert [(group["name"], group["lr"]) for group in found] == [("head", 0.1), ("backbone", 0.01)]


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
@pytest.mark.parametrize("all_decay", [True, False])
@pytest.mark.parametrize("layer_decay", [None, 0.5])
def test_every_parameter_is_in_one_group_with_its_rate_and_decay(name, all_decay, layer_decay):
    net = network(name)
    found = groups(net, layer_decay=layer_decay, decay_norms_and_biases=all_decay)
    names = {id(parameter): key for key, parameter in net.named_parameters()}
    own = {names[id(p)]: (group["lr"], group.get("weight_decay", 0.05)) for group in found for p in group["params"]}
    assert sorted(own) == sorted(names.values())
    assert sum(len(group["params"]) for group in found) == len(names)
    for key, (_, decay) in own.items():
        without = net.get_parameter(key).ndim <= 1 or key.endswith("bias") or "pos_embed" in key or "_token" in key
        assert decay == (0 if without and not all_decay else 0.05), key
    assert {rate for key, (rate, _) in own.items() if key.startswith("head.")} == {0.1}
    rates = sorted({rate for key, (rate, _) in own.items() if key.startswith("backbone.")})
    layers = {"test_vit": 7, "test_resnet": 5}[name] if layer_decay else 1
    assert rates == pytest.approx([0.01 * 0.5**power for power in reversed(range(layers))])
    if layer_decay:
        assert own[next(key for key in names.values() if key.startswith("backbone."))][0] == rates[0]  # the stem
    optimizer = build_optimizer(SECTION, found, fused=False)
    assert learning_rates(optimizer) == {"head": 0.1, "backbone": 0.01}


def test_a_backbone_without_an_order_of_layers_is_refused():
    net = Network(nn.Sequential(nn.Linear(4, 4)), mlp_head(4, [], 3))
    with pytest.raises(InputError, match=r"optimizer\.layer_decay=0\.7.*group_matcher.*model of timm"):
        groups(net, layer_decay=0.7)
    assert len(groups(net, method="transfer", layer_decay=0.7)) == 2


USABLE = [
    pytest.param(name, marks=[] if name in ("lamb", "lion", "muon") else pytest.mark.slow)
    for name in list_optimizers(exclude_filters=["bnb*", "fused*"])
    if not get_optimizer_info(name).second_order
]


def steps(net, optimizer, first, last):
    for number in range(first, last):
        torch.manual_seed(number)
        optimizer.zero_grad()
        net(torch.randn(8, 3, 6, 6)).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("name", USABLE)
def test_every_optimizer_of_timm_continues_exactly_from_its_state(name, tmp_path):
    def fresh():
        torch.manual_seed(0)
        features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
        net = Network(features, mlp_head(64, [], 3))
        found = groups(net, decay_norms_and_biases=False)
        return net, build_optimizer({**SECTION, "opt": name}, found, fused=False)

    whole, part, resumed = fresh(), fresh(), fresh()
    steps(*whole, 0, 8)
    steps(*part, 0, 4)
    torch.save([each.state_dict() for each in part], tmp_path / "state")
    for each, state in zip(resumed, torch.load(tmp_path / "state", weights_only=True), strict=True):
        each.load_state_dict(state)
    steps(*resumed, 4, 8)
    assert all(map(torch.equal, whole[0].state_dict().values(), resumed[0].state_dict().values()))
