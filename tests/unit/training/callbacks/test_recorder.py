import pytest

from artculture.training.callbacks.recorder import epoch_line

ROW = {
    "epoch": 0,
    "train/loss": 2.3821,
    "train/top1": 0.1421,
    "val/loss": 2.348,
    "val/top1": 0.227,
    "val/top3": 0.523,
    "lr/head": 0.02,
    "seconds": 2.14,
}
TRAIN = "epoch   1/120  train loss 2.382 top-1  14.2 %"
VAL = "  val loss 2.348 top-1  22.7 %"


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (None, f"{TRAIN}{VAL} top-3  52.3 %  lr 0.02  2.1 s"),
        (120, f"{TRAIN}{VAL} top-3  52.3 %  lr 0.02  2.1 s"),
        (100, f"{TRAIN}{VAL} top-3  52.3 %  2.1 s"),
        (90, f"{TRAIN}{VAL}  2.1 s"),
        (80, f"{TRAIN}{VAL}"),
    ],
)
def test_the_line_of_an_epoch_fits_the_terminal(width, line):
    assert epoch_line(ROW, 120, width) == line
    assert width is None or len(line) <= width
