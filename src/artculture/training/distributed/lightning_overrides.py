"""Overrides of Lightning's behaviour in distributed runs."""

import lightning as L
from lightning.pytorch.callbacks import Callback

from artculture.training.signals import SignalListener


class KeepSignalHandlers(Callback):
    """Keep this project's signal handlers instead of Lightning's.

    `LastCheckpoint` synchronises received signals at every step over the CPU. Lightning 2.6 blocks in its own handler
    until every rank has received the signal, and synchronises the host with the GPU before every step to find out.

    Args:
        listener: receives the signals.
    """

    def __init__(self, listener: SignalListener) -> None:
        self.listener = listener

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.listener.install_handlers()
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]

    def on_predict_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.listener.install_handlers()
