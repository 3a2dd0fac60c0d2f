"""The mean loss over pictures."""

import torch
from torch import Tensor
from torchmetrics import Metric


class MeanLoss(Metric):
    """Averages batches' mean losses, each by its number of pictures, over all devices.

    torchmetrics' own MeanMetric either looks for NaN, for which the host waits at every step, or (1.9, with
    `nan_strategy="disable"`) forgets the weights.
    """

    full_state_update = False
    total: Tensor
    pictures: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("pictures", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, loss: Tensor, pictures: int) -> None:
        self.total = self.total + loss * pictures
        self.pictures = self.pictures + pictures

    def compute(self) -> Tensor:
        return self.total / self.pictures
