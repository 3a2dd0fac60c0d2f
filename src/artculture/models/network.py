"""A backbone with the paper's head: three fully connected layers, ReLU between them, logits out."""

import itertools
from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn


def make_head(features: int, hidden: Sequence[int], classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Linear layers of the given sizes with ReLU between them and none after the last.

    The layers start as torch's linear layers do, at less than unit gain: with He's gain the first large steps from
    random features were seen to kill every ReLU of the head, for good.

    Args:
        features: length of the backbone's vector.
        hidden: sizes of the layers between; two of them make the paper's three layers.
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


class Network(nn.Module):
    """Backbone and head.

    Attributes:
        backbone: pictures N x 3 x H x W to vectors N x features.
        head: vectors to logits N x classes.
    """

    def __init__(self, backbone: nn.Module, head: nn.Sequential) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self._frozen = False
        self._thawed: frozenset[str] = frozenset()

    def forward(self, pictures: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.backbone(pictures)))

    def freeze_backbone(self, except_for: Sequence[str] = ()) -> None:
        """Keep the backbone as it is, statistics of BatchNorm included, from now on.

        Args:
            except_for: names of backbone layers that go on training (those that got no pretrained weights).
        """
        self._frozen, self._thawed = True, frozenset(except_for)
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad = name.rpartition(".")[0] in self._thawed
        self.train(self.training)

    def train(self, mode: bool = True) -> "Network":
        # `requires_grad=False` does not stop BatchNorm from updating its statistics: frozen means eval, always.
        super().train(mode)
        if self._frozen:
            self.backbone.eval()
            for name, module in self.backbone.named_modules():
                if name in self._thawed:
                    module.train(mode)
        return self
