"""Attention rollout (Abnar & Zuidema 2020, arxiv.org/abs/2005.00928) for vision transformers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from artculture.analysis.saliency.feature_maps import rescale
from artculture.analysis.saliency.last_feature_map import eval_mode, locate_feature_map
from artculture.models.classifier import CultureClassifier
from artculture.utils.errors import InputError


def attention_rollout(classifier: CultureClassifier, images: Tensor) -> NDArray[np.float32]:
    """Compute how much of each patch reaches the pooled vector through the attention of all blocks.

    The attention of a block, averaged over its heads, and the residual connection count half each; the matrices of
    all blocks are multiplied. Of the result, the row of the class token is taken, or the mean over patches where the
    network averages them. It depends on no class.

    Args:
        classifier: run in eval mode; its modes are restored.
        images: uint8 N x 3 x H x W.

    Returns:
        float32 N x h x w in 0..1, one value per patch.

    Raises:
        InputError: the backbone is no vision transformer with global attention.
    """
    location = locate_feature_map(classifier)
    blocks = attention_modules(classifier)
    if location.layout != "tokens" or not blocks:
        raise _no_rollout(location.architecture)
    with torch.no_grad(), eval_mode(classifier), _recorded(blocks) as attentions:
        classifier(images.to(classifier.device))
    tokens = attentions[0].shape[-1]
    # Windows make a batch of their own, and hierarchies change the number of tokens.
    if any(attention.shape != (len(images), tokens, tokens) for attention in attentions):
        raise _no_rollout(location.architecture)
    rollout = torch.eye(tokens, device=attentions[0].device)
    for attention in attentions:
        mixed = 0.5 * attention + 0.5 * torch.eye(tokens, device=attention.device)
        rollout = (mixed / mixed.sum(dim=-1, keepdim=True)) @ rollout
    backbone: Any = classifier.network.backbone
    prefix = tokens - location.read(rollout[:, :1].transpose(1, 2)).flatten(1).shape[1]
    pooled = rollout[:, 0] if getattr(backbone, "global_pool", "") == "token" else rollout[:, prefix:].mean(dim=1)
    return rescale(location.read(pooled[..., None])[:, 0].float())


def attention_modules(classifier: CultureClassifier) -> list[Any]:
    """Return the attention layers of a backbone of timm, in order."""
    modules = classifier.network.backbone.modules()
    return [part for part in modules if hasattr(part, "fused_attn") and isinstance(_dropout(part), nn.Module)]


def _dropout(part: nn.Module) -> Any:
    """Return what timm passes the attention matrix through after its softmax."""
    return getattr(part, "attn_drop", None)


@contextmanager
def _recorded(blocks: list[Any]) -> Iterator[list[Tensor]]:
    """Yield a list that receives the attention of each block, averaged over heads: N x tokens x tokens."""
    found: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found.append(inputs[0].float().mean(dim=1))

    hooks = [_dropout(block).register_forward_pre_hook(keep) for block in blocks]
    fused = [block.fused_attn for block in blocks]
    for block in blocks:
        block.fused_attn = False  # the fused kernel never forms the matrix
    try:
        yield found
    finally:
        for hook, block, before in zip(hooks, blocks, fused, strict=True):
            hook.remove()
            block.fused_attn = before


def _no_rollout(architecture: str) -> InputError:
    return InputError(
        f"architecture {architecture} has no attention rollout: it needs a vision transformer of timm whose blocks "
        "attend to all patches"
    )
