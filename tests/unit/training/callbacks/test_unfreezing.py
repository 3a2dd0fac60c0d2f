from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from artculture.models.network import Network
from artculture.training.callbacks.unfreezing import GradualUnfreezing


class Module(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        backbone = nn.Sequential()
        for name in ("first", "second", "last"):
            backbone.add_module(name, nn.Linear(4, 4))
        self.network = Network(backbone, nn.Linear(4, 2))

    def learning(self) -> set[str]:
        """Parts that get a gradient that the optimizer sees."""
        return {name.rpartition(".")[0] for name, value in self.network.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("devices", [1, 2])
def test_what_does_not_train_yet_gets_no_gradient(devices):
    module, callback = Module(), GradualUnfreezing(1, 2)
    trainer: Any = SimpleNamespace(world_size=devices, strategy=SimpleNamespace(forget_graph=lambda: None))
    trainer.current_epoch = 0
    callback.on_train_start(trainer, cast(Any, module))
    head, last = {"head"}, {"head", "backbone.last"}
    for epoch, expected in enumerate([head, last, last | {"backbone.first", "backbone.second"}]):
        trainer.current_epoch = epoch
        callback.on_train_epoch_start(trainer, cast(Any, module))
        # In DDP what requires a gradient stays the same.
        asked = {name for name, value in module.network.named_parameters() if value.requires_grad}
        assert (len(asked) < 8) == (devices == 1 and epoch < 2)
        module.network.zero_grad()
        module.network(torch.randn(3, 4)).sum().backward()
        callback.on_before_optimizer_step(trainer, cast(Any, module), cast(Any, None))
        assert module.learning() == expected


def test_after_the_training_all_that_did_require_gradients_again():
    module, callback = Module(), GradualUnfreezing(0, None)
    fixed = module.network.backbone.get_submodule("first").bias
    fixed.requires_grad = False
    trainer: Any = SimpleNamespace(world_size=1, current_epoch=0, strategy=SimpleNamespace(forget_graph=lambda: None))
    callback.on_train_start(trainer, cast(Any, module))
    assert not module.network.backbone.get_submodule("second").weight.requires_grad
    callback.on_train_end(trainer, cast(Any, module))
    assert all(parameter.requires_grad == (parameter is not fixed) for parameter in module.parameters())
