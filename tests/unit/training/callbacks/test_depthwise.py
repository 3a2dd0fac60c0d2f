from typing import Any, cast

import pytest
import torch
from torch import nn

from artculture.training.callbacks.depthwise import Float32Depthwise, slow_in_bfloat16


class Recorded(nn.Conv2d):
    def forward(self, given: torch.Tensor) -> torch.Tensor:
        self.seen = given.dtype
        return super().forward(given)


@pytest.fixture
def module():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 1),
        Recorded(8, 8, 5, padding=2, groups=8),
        Recorded(8, 8, 3, stride=2, groups=8),
        Recorded(8, 8, 3, groups=8),
        nn.Conv2d(8, 8, 5, groups=2),
    )


def test_strided_and_large_depthwise_layers_are_meant(module):
    assert slow_in_bfloat16(module) == [module[1], module[2]]


def test_they_compute_in_float32_where_they_learn_and_only_during_training(module):
    pictures, callback = torch.randn(2, 3, 20, 20), Float32Depthwise()
    around = cast(Any, None), cast(Any, module)

    def seen() -> list[torch.dtype]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert module(pictures).dtype == torch.bfloat16
        return [layer.seen for layer in module[1:4]]

    keys = list(module.state_dict())
    callback.on_train_start(*around)
    assert seen() == [torch.float32, torch.float32, torch.bfloat16]
    assert list(module.state_dict()) == keys
    with torch.no_grad():
        assert seen() == [torch.bfloat16] * 3
    module.requires_grad_(False)
    assert seen() == [torch.bfloat16] * 3
    module.requires_grad_(True)
    callback.on_exception(*around, RuntimeError())
    assert seen() == [torch.bfloat16] * 3
