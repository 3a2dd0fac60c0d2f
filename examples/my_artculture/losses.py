"""A loss: a module that maps logits N x classes and labels int64 N to their mean loss."""

from torch import Tensor, nn
from torch.nn.functional import cross_entropy


class FocalLoss(nn.Module):
    """Cross entropy in which well-classified pictures count less (Lin et al. 2017).

    Args:
        gamma: exponent of the focus; 0 gives cross entropy.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses = cross_entropy(logits, labels, reduction="none")
        # A loss of -log(p) belongs to the probability p.
        return ((1 - (-losses).exp()) ** self.gamma * losses).mean()
