import numpy as np
import pytest
import torch

from artculture.models.backbones import make_backbone
from artculture.models.finite import check_predictions_finite, check_weights_finite
from artculture.models.weights import load_start
from artculture.utils.errors import InputError, WorkError


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("key", ["layer1.0.bn1.running_var", "conv1.0.weight"])
def test_a_file_of_weights_that_are_not_finite_is_refused(tmp_path, key, value):
    backbone = make_backbone("test_resnet", "timm")
    state = {name: tensor.clone() for name, tensor in backbone.module.state_dict().items()}
    state[key].view(-1)[1] = value
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match=rf"w\.pth: the weights {key} are not finite"):
        load_start(backbone, "test_resnet", "timm", str(tmp_path / "w.pth"))
    check_weights_finite(backbone.module.state_dict(), "backbone")  # nothing of it was loaded


def test_values_that_are_no_floats_pass():
    check_weights_finite({"steps": torch.tensor(3), "name": "a"}, "w.pth")


def test_predictions_that_are_not_finite_fail():
    check_predictions_finite(np.full((3, 2), 0.5), "best.ckpt")
    with pytest.raises(WorkError, match=r"best\.ckpt: 1 of 3 predictions are not finite"):
        check_predictions_finite(np.array([[0.5, 0.5], [np.nan, 0.5], [1.0, 0.0]]), "best.ckpt")
