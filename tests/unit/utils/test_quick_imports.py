import subprocess
import sys

import matplotlib.pyplot as plt
import pytest
import scipy.signal

from artculture.utils.quick_imports import lean_torchmetrics


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.slow
def test_training_starts_without_what_it_does_not_use_and_whoever_asks_later_gets_it():
    code = (
        "import sys; from artculture.utils.quick_imports import lean_torchmetrics\n"
        "with lean_torchmetrics():\n    import artculture.training.run\n"
        "unused = ('scipy.signal', 'matplotlib', 'mpl_toolkits')\n"
        "assert not [name for name in sys.modules if name.startswith(unused)]\n"
        "import torch, torchmetrics\n"
        "metric = torchmetrics.classification.MulticlassAccuracy(num_classes=3)\n"
        "metric.update(torch.tensor([0, 1]), torch.tensor([0, 2]))\n"
        "figure, axes = metric.plot()\n"
        "import matplotlib.figure, scipy.signal\n"
        "assert type(figure) is matplotlib.figure.Figure and isinstance(axes, matplotlib.axes.Axes)\n"
        "print(scipy.signal.windows.hamming(3)[1])"
    )
    assert run(code) == "1.0"


def test_what_is_there_already_stays():
    with lean_torchmetrics():
        assert sys.modules["matplotlib.pyplot"] is plt
        assert sys.modules["scipy.signal"] is scipy.signal
    assert sys.modules["matplotlib.pyplot"] is plt
