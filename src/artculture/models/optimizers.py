"""Optimizers over a network whose head and backbone have learning rates of their own."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch.optim import Optimizer

from artculture.models.network import Network
from artculture.utils.targets import instantiate, is_target

ParameterGroups = list[dict[str, Any]]


def parameter_groups(network: Network, method: str, head_lr: float, backbone_lr: float) -> ParameterGroups:
    """Return the groups `head` and `backbone` of a network whose frozen parameters are frozen already."""
    groups = [
        {"params": list(network.head.parameters()), "lr": head_lr, "name": "head"},
        {
            "params": [p for p in network.backbone.parameters() if p.requires_grad],
            # Layers of a frozen backbone that the weights left at random learn with the head.
            "lr": head_lr if method == "transfer" else backbone_lr,
            "name": "backbone",
        },
    ]
    return [group for group in groups if group["params"]]


def build_optimizer(node: Mapping[str, Any], groups: ParameterGroups, *, fused: bool) -> Optimizer:
    """Return the optimizer that a config section describes.

    Args:
        node: `name` (`sgd` or `adamw`) with its values, or a `_target_` that takes the parameter groups first.
        groups: parameters with `lr` and `name`.
        fused: whether a built-in optimizer updates all parameters in one kernel.

    Raises:
        InputError: the target can't be imported, or rejects its arguments.
    """
    if is_target(node):
        return cast(Optimizer, instantiate(node, groups))
    lr, weight_decay = groups[0]["lr"], node["weight_decay"]
    if node["name"] == "adamw":
        betas = (node["betas"][0], node["betas"][1])
        return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=node["eps"], weight_decay=weight_decay, fused=fused)
    return torch.optim.SGD(
        groups, lr=lr, momentum=node["momentum"], nesterov=node["nesterov"], weight_decay=weight_decay, fused=fused
    )
