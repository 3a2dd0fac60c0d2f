import pandas as pd
import pytest

from artculture.report.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, panels
from artculture.report.study_data import read_study


def points(line):
    return [tuple(map(float, pair.split(","))) for pair in line.points.split()]


def test_seeds_of_a_row_share_a_panel(whole_study):
    drawn = panels(read_study(whole_study).runs)
    assert [panel.title for panel in drawn] == [
        "ResNet50, fine-tuned, ReduceOnPlateau",
        "AlexNet, fine-tuned, StepLR",
        "ResNet50, scratch, StepLR",
        "VGG-16 BN, fine-tuned, StepLR",
    ]
    assert [(line.split, line.seed) for line in drawn[0].charts[0].lines] == [
        ("train", 0), ("val", 0), ("train", 1), ("val", 1),
    ]  # fmt: skip


def test_points_stand_where_their_values_are(add, study):
    add("resnet50", "step", "scratch")
    _, top1 = panels(read_study(study).runs)[0].charts
    height = HEIGHT - TOP - BOTTOM
    xs, ys = zip(*points(top1.lines[1]), strict=True)
    assert xs == (LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT)
    assert ys == pytest.approx([HEIGHT - BOTTOM - value * height for value in (0.3, 0.4, 0.6)], abs=0.06)
    assert [tick.label for tick in top1.y_ticks] == ["0", "25", "50", "75", "100"]
    assert "Seed 0 ends at training 80, validation 60." in top1.alt


@pytest.mark.parametrize("epochs", [1, 2, 7, 60, 1234])
def test_any_number_of_epochs_stays_in_the_frame(add, study, epochs):
    directory = add("resnet50", "step", "scratch")
    values = [1 / (1 + n) for n in range(epochs)]
    pd.DataFrame({"epoch": range(epochs), "val/loss": values, "val/top1": values}).to_csv(directory.metrics)
    for chart in panels(read_study(study).runs)[0].charts:
        assert len(chart.x_ticks) <= 7
        assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in points(chart.lines[0]))


def test_a_diverging_row_is_cut_and_named(add, study):
    add("alexnet", "step", "finetuned")
    directory = add("resnet50", "step", "scratch")
    pd.DataFrame({"epoch": [0, 1], "train/loss": [1.0, 5e6], "val/loss": [1.1, float("nan")]}).to_csv(directory.metrics)
    calm, wild = panels(read_study(study).runs)
    assert (calm.clipped_loss, wild.clipped_loss) == (None, 5e6)
    assert max(float(tick.label) for tick in calm.charts[0].y_ticks) < 2
    assert len(points(wild.charts[0].lines[1])) == 1


@pytest.mark.parametrize("text", ["", "epoch,train/loss,val/loss\n"])
def test_a_run_before_its_first_epoch_has_no_panel(add, study, text):
    add("resnet50", "step", "scratch", state="running").metrics.write_text(text)
    assert panels(read_study(study).runs) == []
