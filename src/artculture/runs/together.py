"""What Lightning would do otherwise with several processes."""

import lightning as L
from lightning.pytorch.callbacks import Callback

from artculture.runs.interruption import Interruption


class Together(Callback):
    """Keeps signals ours: Lightning's handler would wait, inside the signal, for processes that have heard none.

    Args:
        interruption: hears signals.
    """

    def __init__(self, interruption: Interruption) -> None:
        self.interruption = interruption

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.interruption.listen()

    def on_predict_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.interruption.listen()
