"""A callback of Lightning; what it logs becomes a column of metrics.csv and a curve in W&B."""

import lightning as L
from lightning.pytorch.callbacks import Callback


class HeadNorm(Callback):
    """Logs the norm of the head's parameters after every epoch.

    Args:
        order: of the norm; 2 is the Euclidean one.
    """

    def __init__(self, order: float = 2.0) -> None:
        self.order = order

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        norms = [parameter.detach().norm(self.order) ** self.order for parameter in pl_module.network.head.parameters()]
        pl_module.log("head/norm", sum(norms) ** (1 / self.order))
