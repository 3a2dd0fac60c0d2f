"""Heads: vectors of the backbone to logits."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import nn

from artculture.models.probe_heads import NeighboursHead
from artculture.utils.targets import instantiate, is_target


def build_head(node: Mapping[str, Any], features: int, classes: int) -> nn.Module:
    """Return the head that a config section describes: float32 N x features to logits N x classes.

    Args:
        node: `name` (`mlp`, `linear` or `knn`) with its values, or a `_target_` that takes `features`
            and `classes`.
        features: length of the backbone's vector.
        classes: number of logits.

    Raises:
        InputError: the target can't be imported, or rejects its arguments.
    """
    if is_target(node):
        return cast(nn.Module, instantiate(node, features=features, classes=classes))
    if node["name"] == "knn":
        return NeighboursHead(features, classes, node["paintings"])
    return mlp_head(features, node.get("hidden", ()), classes, node["dropout"])


def mlp_head(features: int, hidden: Sequence[int], classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Return linear layers of the given sizes with ReLU between them and none after the last.

    The layers keep torch's initialisation of linear layers, with less than unit gain: with He's gain the first large
    steps from random features were seen to kill every ReLU of the head for good.

    Args:
        features: length of the backbone's vector.
        hidden: sizes of the hidden layers; two of them make the paper's three layers.
        classes: number of logits.
        dropout: before each layer.
    """
    layers: list[nn.Module] = []
    sizes = [features, *hidden, classes]
    for index, (before, after) in enumerate(itertools.pairwise(sizes)):
        last = index == len(sizes) - 2
        linear = nn.Linear(before, after)
        layers += [nn.Dropout(dropout)] if dropout else []
        layers += [linear] if last else [linear, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
