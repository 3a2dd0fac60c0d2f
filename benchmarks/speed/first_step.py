"""`artculture train` until its first training step is done; then tell when each phase ended, and end.

`python -m benchmarks.speed.first_step BEGAN train …`, where BEGAN is what the monotonic clock said just before the
process was started.
"""

import json
import os
import sys
import time
from typing import Any

from omegaconf import DictConfig

from artculture import cli
from artculture.commands import train as command
from artculture.config.schema.train import TrainConfig
from artculture.utils.quick_imports import lean_torchmetrics

ended: dict[str, float] = {}


def report(began: float) -> None:
    """Say the times in one line and end at once: what follows is not asked for."""
    sys.stdout.write(json.dumps({phase: at - began for phase, at in ended.items()}) + "\n")
    sys.stdout.flush()
    os._exit(0)


def main() -> None:
    began = float(sys.argv[1])
    train = command.train

    def watched(config: TrainConfig, composed: DictConfig) -> int:
        ended["config"] = time.monotonic()
        # What the command imports next in any case; here it is watched.
        with lean_torchmetrics():
            from artculture.models.classifier import CultureClassifier

        ended["imports"] = time.monotonic()
        classifier: Any = CultureClassifier
        before_step, after_step = classifier.on_train_batch_start, classifier.on_train_batch_end

        def starts(self: Any, *given: Any) -> Any:
            ended["data, model, trainer"] = time.monotonic()
            return before_step(self, *given)

        def ends(self: Any, *given: Any) -> Any:
            after_step(self, *given)
            ended["first step"] = time.monotonic()
            return report(began)

        classifier.on_train_batch_start, classifier.on_train_batch_end = starts, ends
        return train(config, composed)

    command.train = watched
    del sys.argv[1]
    cli.entry()


if __name__ == "__main__":
    main()
