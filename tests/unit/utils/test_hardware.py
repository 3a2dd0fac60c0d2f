import pytest

from artculture.utils import hardware
from artculture.utils.errors import InputError


@pytest.mark.parametrize(
    ("choice", "accelerator", "real"),
    [
        (32, "cpu", "32-true"),
        ("32", "gpu", "32-true"),
        ("bf16-mixed", "cpu", "bf16-mixed"),
        ("16-mixed", "gpu", "16-mixed"),
    ],
)
def test_the_real_precision(choice, accelerator, real):
    assert hardware.real_precision(choice, accelerator) == real


def test_float16_on_a_cpu_is_refused_and_not_replaced(monkeypatch):
    monkeypatch.setattr(hardware, "visible_gpus", list)
    for ask in (
        lambda: hardware.real_precision("16-mixed", "cpu"),
        lambda: hardware.check_machine("auto", "16-mixed", False),
    ):
        with pytest.raises(InputError, match=r"trainer\.precision=16-mixed needs a GPU"):
            ask()
    monkeypatch.setattr(hardware, "visible_gpus", lambda: ["0"])
    hardware.check_machine("auto", "16-mixed", False)
