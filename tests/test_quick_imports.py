import subprocess
import sys


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_training_starts_without_scipy_signal():
    code = (
        "import sys; from artculture.quick_imports import without_scipy_signal\n"
        "with without_scipy_signal():\n    import artculture.runs.training\n"
        "print('scipy.signal' in sys.modules, 'scipy.signal._signaltools' in sys.modules)"
    )
    assert run(code) == "False False"


def test_whoever_asks_for_it_later_gets_it():
    code = (
        "from artculture.quick_imports import without_scipy_signal\n"
        "with without_scipy_signal():\n    import torchmetrics\n"
        "import scipy.signal; print(scipy.signal.windows.hamming(3)[1])"
    )
    assert run(code) == "1.0"
