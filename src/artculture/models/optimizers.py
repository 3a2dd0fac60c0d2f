"""Optimizers over a network whose head and backbone have learning rates of their own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import nn
from torch.optim import Optimizer

from artculture.models.network import Network
from artculture.utils.errors import InputError
from artculture.utils.targets import instantiate, is_target

ParameterGroups = list[dict[str, Any]]
Section = Mapping[str, Any]
NO_SECTION: Section = MappingProxyType({})


def parameter_groups(
    network: Network, method: str, head_lr: float, backbone_lr: float, section: Section = NO_SECTION
) -> ParameterGroups:
    """Return the parameters that train, in groups with `lr` and `name`.

    The first group of each part is called `head` or `backbone`, and has the learning rate of that name; a built-in
    optimizer's section may ask for further groups of a part (`backbone.1`, …), see `_groups_of`.

    Args:
        network: whose frozen parameters are frozen already.
        method: `finetuned`, `transfer`, `scratch` or `probe`.
        head_lr, backbone_lr: learning rates.
        section: of the optimizer.

    Raises:
        InputError: layer-wise decay for a backbone that does not say in which order its layers are.
    """
    # Layers of a frozen backbone that the weights left at random learn with the head.
    frozen = method in ("transfer", "probe")
    layer_decay = None if frozen else section.get("layer_decay")
    return [
        *_groups_of(network.head, "head", head_lr, section),
        *_groups_of(network.backbone, "backbone", head_lr if frozen else backbone_lr, section, layer_decay),
    ]


def _groups_of(
    module: nn.Module, name: str, lr: float, section: Section, layer_decay: float | None = None
) -> ParameterGroups:
    """Return the groups of a part: by layer with `layer_decay`, and without weight decay on norms and biases if asked.

    Their number does not depend on the values, so that a run may continue another one's with other values.
    """
    decay_all = is_target(section) or section.get("decay_norms_and_biases", True)
    if layer_decay is None and decay_all:
        parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        return [{"params": parameters, "lr": lr, "name": name}] if parameters else []
    # Imported where it is needed: timm takes a second.
    from timm.optim import param_groups_layer_decay, param_groups_weight_decay

    exempt = cast(Any, module).no_weight_decay() if not decay_all and hasattr(module, "no_weight_decay") else ()
    if layer_decay is None:
        found = param_groups_weight_decay(module, weight_decay=1.0, no_weight_decay_list=exempt)
    elif hasattr(module, "group_matcher"):
        found = param_groups_layer_decay(
            module,
            weight_decay=1.0,
            no_weight_decay_list=exempt,
            weight_decay_exclude_1d=not decay_all,
            layer_decay=layer_decay,
        )
    else:
        raise InputError(
            f"optimizer.layer_decay={layer_decay}: the backbone ({type(module).__name__}) has no `group_matcher` that "
            "says in which order its layers are, as timm's models do: take a model of timm, or null"
        )
    found.sort(key=lambda group: (-group.get("lr_scale", 1.0), -group["weight_decay"]))
    return [
        {
            "params": group["params"],
            "lr": lr * group.get("lr_scale", 1.0),
            "weight_decay": section["weight_decay"] * group["weight_decay"],
            "name": f"{name}.{number}" if number else name,
        }
        for number, group in enumerate(found)
    ]


def learning_rates(optimizer: Optimizer) -> dict[str, float]:
    """Return the learning rate of each part, by the part's name."""
    return {group["name"]: group["lr"] for group in optimizer.param_groups if "." not in group["name"]}


def build_optimizer(node: Section, groups: ParameterGroups, *, fused: bool) -> Optimizer:
    """Return the optimizer that a config section describes.

    Args:
        node: `name` (`sgd`, `adamw` or `timm`) with its values, or a `_target_` that takes the parameter groups first.
        groups: parameters with `lr` and `name`.
        fused: whether an optimizer of torch updates all parameters in one kernel.

    Raises:
        InputError: the target can't be imported, or rejects its arguments.
    """
    if is_target(node):
        return cast(Optimizer, instantiate(node, groups))
    lr, weight_decay = groups[0]["lr"], node["weight_decay"]
    if node["name"] == "timm":
        from timm.optim import create_optimizer_v2

        made = create_optimizer_v2(groups, opt=node["opt"], lr=lr, weight_decay=weight_decay, **node["args"])
        return cast(Optimizer, made)
    if node["name"] == "adamw":
        betas = (node["betas"][0], node["betas"][1])
        return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=node["eps"], weight_decay=weight_decay, fused=fused)
    return torch.optim.SGD(
        groups, lr=lr, momentum=node["momentum"], nesterov=node["nesterov"], weight_decay=weight_decay, fused=fused
    )
