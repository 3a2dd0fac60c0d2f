"""Training losses that correct for classes with few paintings; at prediction nothing of them is left.

All are means over pictures of a loss that depends on no other picture of the batch, so that a batch can be divided
among devices; with the reduction `none` they are the losses of the pictures. Each takes logits float N x C, and labels
int64 N or shares float N x C.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from artculture.models.ordinal import ranked_probability_score
from artculture.utils.errors import InputError

# Balances for which the loss adjusts the logits.
ADJUSTMENTS = frozenset({"logit_adjustment", "half_logit_adjustment", "balanced_softmax"})
# Balances of which the loss knows nothing.
OF_THE_SAMPLER = frozenset({"none", "balanced_sampler", "sqrt_sampler"})


def build_balanced_loss(
    balance: Mapping[str, Any],
    label_smoothing: float,
    class_counts: Sequence[int] | None,
    *,
    ordinal: bool = False,
    reduction: str = "mean",
) -> nn.Module:
    """Return the cross-entropy that a section of `balance` describes.

    Args:
        balance: its `name` and values, as in conf/balance.
        label_smoothing: share of the label that is spread over all classes.
        class_counts: number of training paintings of each class.
        ordinal: whether to take the ranked probability score in place of the (smoothed) cross-entropy.
        reduction: `mean`, or `none` for the losses of the pictures, N.

    Raises:
        InputError: there is no such balance, or the counts are missing.
    """
    name = balance["name"]
    common: dict[str, Any] = {"ordinal": ordinal, "reduction": reduction}
    if name in OF_THE_SAMPLER:
        if ordinal:
            return PictureLoss(**common)
        return nn.CrossEntropyLoss(label_smoothing=label_smoothing, reduction=reduction)
    if name == "focal":
        return FocalLoss(balance["gamma"], label_smoothing, **common)
    if name not in {"class_weights", *ADJUSTMENTS}:
        raise InputError(f"balance={name}: there is no such balance; conf/balance lists them")
    if class_counts is None:
        raise InputError(f"balance={name} needs class_counts: the number of training paintings of each class")
    if name == "class_weights":
        return WeightedCrossEntropy(class_weights(class_counts, balance["beta"]), label_smoothing, **common)
    # Balanced softmax is the logit adjustment with tau=1: counts and shares differ by a factor that softmax ignores.
    return LogitAdjustedCrossEntropy(class_counts, balance.get("tau", 1.0), label_smoothing, **common)


def class_weights(class_counts: Sequence[int], beta: float | None = None) -> Tensor:
    """Return the weights of classes, float32, whose mean over the training paintings is 1.

    Class c of n_c paintings is weighted by 1 / n_c, or, with `beta`, by the inverse of its effective number of
    paintings, (1 - beta^n_c) / (1 - beta) (Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples",
    arXiv 1901.05555, eq. 2).
    """
    counts = _counts(class_counts)
    effective = counts if beta is None else (1 - beta**counts) / (1 - beta)
    weights = 1 / effective
    return (weights * counts.sum() / (weights * counts).sum()).float()


def _counts(class_counts: Sequence[int]) -> Tensor:
    # A class without training paintings counts as one painting, for it to have a weight and a logarithm.
    return torch.tensor(class_counts, dtype=torch.float64).clamp_min(1)


class PictureLoss(nn.Module):
    """Cross-entropy or, for classes with an order, ranked probability score.

    Args:
        label_smoothing: as of `torch.nn.CrossEntropyLoss`; of no effect on the ranked probability score.
        ordinal: which of them.
        reduction: `mean`, or `none` for the losses of the pictures.
    """

    def __init__(self, label_smoothing: float = 0.0, *, ordinal: bool = False, reduction: str = "mean") -> None:
        super().__init__()
        self.label_smoothing, self.ordinal, self.reduction = label_smoothing, ordinal, reduction

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each picture, N."""
        if self.ordinal:
            return ranked_probability_score(logits, labels)
        return cross_entropy(logits, labels, label_smoothing=self.label_smoothing, reduction="none")

    def reduced(self, losses: Tensor) -> Tensor:
        return losses if self.reduction == "none" else losses.mean()

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.ordinal:
            return self.reduced(self.losses(logits, labels))
        return cross_entropy(logits, labels, label_smoothing=self.label_smoothing, reduction=self.reduction)


class WeightedCrossEntropy(PictureLoss):
    """Mean of the cross-entropies times the weights of their labels' classes.

    torch's own weights divide by the sum of the weights in the batch, so that a picture's share of the gradient depends
    on the other pictures of its batch and on how it is divided among devices.

    Args:
        weights: float32, one a class.
        label_smoothing, more: as of `PictureLoss`.
    """

    weights: Tensor

    def __init__(self, weights: Tensor, label_smoothing: float = 0.0, **more: Any) -> None:
        super().__init__(label_smoothing, **more)
        # Not in checkpoints: made of the hyperparameters, and another run may continue with another balance.
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        weights = labels @ self.weights if labels.is_floating_point() else self.weights[labels]
        return self.reduced(weights * self.losses(logits, labels))


class LogitAdjustedCrossEntropy(PictureLoss):
    r"""Cross-entropy of logits that are raised by the logarithm of the training split's shares of classes.

    For the logits :math:`f(x)` and shares :math:`\pi_c = n_c / \sum_k n_k` of Menon et al. 2021, "Long-tail learning
    via logit adjustment" (arXiv 2007.07314, eq. 10):

    .. math:: \ell(y, f(x)) = -\log \frac{e^{f_y(x) + \tau \log \pi_y}}{\sum_c e^{f_c(x) + \tau \log \pi_c}}

    The prediction is :math:`\arg\max_c f_c(x)`, without the shares. With :math:`\tau = 1` it is the balanced softmax of
    Ren et al. 2020, "Balanced Meta-Softmax for Long-Tailed Visual Recognition" (arXiv 2007.10740, eq. 4).

    Args:
        class_counts: number of training paintings of each class.
        tau: how much of the imbalance is corrected.
        label_smoothing, more: as of `PictureLoss`.
    """

    adjustment: Tensor

    def __init__(
        self, class_counts: Sequence[int], tau: float = 1.0, label_smoothing: float = 0.0, **more: Any
    ) -> None:
        super().__init__(label_smoothing, **more)
        counts = _counts(class_counts)
        self.register_buffer("adjustment", (tau * (counts / counts.sum()).log()).float(), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return super().forward(logits + self.adjustment, labels)


class FocalLoss(PictureLoss):
    r"""Cross-entropy times :math:`(1 - p_y)^\gamma`, where :math:`p_y` is the probability of the label.

    Lin et al. 2017, "Focal Loss for Dense Object Detection" (arXiv 1708.02002, eq. 4), of classes that exclude one
    another.

    Args:
        gamma: how fast the loss of what is classified correctly vanishes; 0 for the cross-entropy.
        label_smoothing, more: as of `PictureLoss`; the factor is of the label without smoothing.
    """

    def __init__(self, gamma: float = 2.0, label_smoothing: float = 0.0, **more: Any) -> None:
        super().__init__(label_smoothing, **more)
        self.gamma = gamma

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        # Without rounding errors of 1 - p where p is near 1.
        missed = -torch.expm1(-cross_entropy(logits, labels, reduction="none"))
        return self.reduced(missed**self.gamma * self.losses(logits, labels))
