"""SGD over a network whose head and backbone learn at rates of their own."""

from collections.abc import Mapping
from typing import Any

import torch

from artculture.models.network import Network


def make_optimizer(network: Network, hyper: Mapping[str, Any], *, fused: bool) -> torch.optim.SGD:
    """The optimiser of a training.

    Args:
        network: with what is frozen frozen already.
        hyper: the classifier's arguments.
        fused: all parameters in one kernel.
    """
    groups = [
        {"params": list(network.head.parameters()), "lr": hyper["head_lr"], "name": "head"},
        {
            "params": [p for p in network.backbone.parameters() if p.requires_grad],
            # Layers that the weights left at random learn with the head in a frozen backbone.
            "lr": hyper["head_lr"] if hyper["method"] == "transfer" else hyper["backbone_lr"],
            "name": "backbone",
        },
    ]
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=hyper["head_lr"],
        momentum=hyper["momentum"],
        nesterov=hyper["nesterov"],
        weight_decay=hyper["weight_decay"],
        fused=fused,
    )
