"""A metric of torchmetrics: updated with logits N x classes and labels int64 N."""

from torch import Tensor
from torchmetrics.classification import MulticlassRecall


class WorstRecall(MulticlassRecall):
    """The recall of the culture that is recognised worst.

    Args:
        num_classes: number of cultures; the program passes it, because the signature has it.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="none")

    def compute(self) -> Tensor:
        return super().compute().min()
