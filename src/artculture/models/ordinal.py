"""Loss and error of classes whose order has a meaning, such as centuries."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot


def ranked_probability_score(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Return the ranked probability score of each painting, float N.

    The squared distance of the cumulative distributions of prediction p and label y over classes 1 … C,

    .. math:: \sum_{c=1}^{C-1} \Big(\sum_{k \leq c} p_k - \sum_{k \leq c} y_k\Big)^2

    It is a strictly proper score (Epstein 1969, "A scoring system for probability forecasts of ranked categories";
    Gneiting and Raftery 2007, "Strictly proper scoring rules, prediction, and estimation", section 4.2), and the
    squared earth mover's distance of Hou, Yu and Samaras 2016 (arXiv 1611.05916).

    Args:
        logits: float N x C.
        labels: int64 N, or shares float N x C.
    """
    shares = labels if labels.is_floating_point() else one_hot(labels, logits.shape[1])
    apart = logits.softmax(dim=1, dtype=torch.float32) - shares
    return apart.cumsum(dim=1)[:, :-1].square().sum(dim=1)
