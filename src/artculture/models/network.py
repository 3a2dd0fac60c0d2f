"""A backbone and a head."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn


class Network(nn.Module):
    """Backbone and head.

    Attributes:
        backbone: pictures N x 3 x H x W to vectors N x features.
        head: vectors to logits N x classes.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self._frozen = False
        self._thawed: frozenset[str] = frozenset()

    def forward(self, pictures: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.backbone(pictures)))

    def freeze_backbone(self, except_for: Sequence[str] = ()) -> None:
        """Keep the backbone as it is, statistics of BatchNorm included, from now on.

        Args:
            except_for: names of backbone layers that keep training (those that got no pretrained weights).
        """
        self._frozen, self._thawed = True, frozenset(except_for)
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad = name.rpartition(".")[0] in self._thawed
        self.train(self.training)

    def may_change(self, key: str) -> bool:
        """Return whether training may change an entry of the state dict."""
        layer = key.rpartition(".")[0].removeprefix("backbone.")
        return not self._frozen or key.startswith("head.") or layer in self._thawed

    def train(self, mode: bool = True) -> "Network":
        # `requires_grad=False` does not stop BatchNorm from updating its statistics: frozen means eval, always.
        super().train(mode)
        if self._frozen:
            self.backbone.eval()
            for name, module in self.backbone.named_modules():
                if name in self._thawed:
                    module.train(mode)
        return self
