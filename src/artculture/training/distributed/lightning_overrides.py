"""What Lightning does with several processes and a run does in its own way."""

import lightning as L
from lightning.pytorch.callbacks import Callback

from artculture.training.signals import SignalListener


class KeepSignalHandlers(Callback):
    """Keeps signals ours: `LastCheckpoint` agrees on them at every step, over the processors.

    Lightning 2.6 would wait, inside its handler, for processes that have heard none, and make the host wait for the
    device before every step to learn of one.

    Args:
        listener: hears signals.
    """

    def __init__(self, listener: SignalListener) -> None:
        self.listener = listener

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.listener.install_handlers()
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]

    def on_predict_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.listener.install_handlers()
