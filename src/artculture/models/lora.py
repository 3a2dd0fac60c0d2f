"""Low-rank adaptation (LoRA, Hu et al. 2021, arXiv 2106.09685) of a backbone's linear layers.

The layers are parametrized by torch: their own weights are frozen, and a product of two narrow matrices is added. What
is saved is merged into plain weights when a trained classifier is loaded, so that nothing of it is left in prediction.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from artculture.utils.errors import InputError

# Within the state dict of a parametrized layer.
ORIGINAL, ADDED = ".parametrizations.weight.original", ".parametrizations.weight.0."


class LowRank(nn.Module):
    """Parametrization that adds `alpha / rank` times the product of two matrices to a weight; nothing at first.

    Args:
        weight: of the layer, rows x columns.
        rank: rows of the one matrix and columns of the other.
        alpha: scale of what is added, times the rank.
    """

    scale: Tensor

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.down = nn.Parameter(weight.new_empty(rank, columns))
        self.up = nn.Parameter(weight.new_zeros(rows, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))  # as torch starts a linear layer
        self.register_buffer("scale", torch.tensor(alpha / rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.scale * (self.up @ self.down)


def add_low_rank(backbone: nn.Module, rank: int, alpha: float) -> None:
    """Freeze a backbone and adapt its linear layers, unless they are.

    Raises:
        InputError: it has no linear layer.
    """
    if has_low_rank(backbone):
        return
    layers = [module for module in backbone.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise InputError(
            f"method.lora: the backbone ({type(backbone).__name__}) has no linear layers to adapt: take a "
            "transformer or a ConvNeXt, as architecture=vit, or method.lora=null"
        )
    for parameter in backbone.parameters():
        parameter.requires_grad = False
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank, alpha))


def has_low_rank(backbone: nn.Module) -> bool:
    """Return whether layers of a backbone are adapted."""
    return any(isinstance(module, LowRank) for module in backbone.modules())


def merged(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict with adapted weights as plain ones."""
    found: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.endswith(ORIGINAL):
            added = key.removesuffix(ORIGINAL) + ADDED
            product = state[f"{added}up"] @ state[f"{added}down"]
            found[key.removesuffix(ORIGINAL) + ".weight"] = value + state[f"{added}scale"] * product
        elif ADDED not in key:
            found[key] = value
    return found
