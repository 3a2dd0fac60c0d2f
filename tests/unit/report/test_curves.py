from xml.etree import ElementTree

import pandas as pd
import pytest

from artculture.report.curves import PAGE_COLOURS, panels
from artculture.report.study_data import read_study


def lines(chart):
    """The curves, without the dots at their ends."""
    return [line.get_xydata() for line in chart.figure.axes[0].lines[::2]]


def test_seeds_of_a_row_share_a_panel(whole_study):
    drawn = panels(read_study(whole_study).runs)
    assert [panel.title for panel in drawn] == [
        "ResNet50, fine-tuned, ReduceOnPlateau",
        "AlexNet, fine-tuned, StepLR",
        "ResNet50, scratch, StepLR",
        "VGG-16 BN, fine-tuned, StepLR",
    ]
    assert [len(lines(panel.charts[0])) for panel in drawn] == [4, 2, 2, 2]
    assert drawn[0].charts[0].alt.count("Seed") == 2


def test_points_stand_where_their_values_are(add, study):
    add("resnet50", "step", "scratch")
    _, top1 = panels(read_study(study).runs)[0].charts
    assert lines(top1)[1].ravel() == pytest.approx([1, 30, 2, 40, 3, 60])
    axes = top1.figure.axes[0]
    assert (axes.get_xlim(), axes.get_ylim()) == ((1, 3), (0, 100))
    assert "Seed 0 ends at training 80, validation 60." in top1.alt


@pytest.mark.parametrize("epochs", [1, 2, 7, 60, 1234])
def test_any_number_of_epochs_stays_in_the_frame(add, study, epochs):
    directory = add("resnet50", "step", "scratch")
    values = [1 / (1 + n) for n in range(epochs)]
    pd.DataFrame({"epoch": range(epochs), "val/loss": values, "val/top1": values}).to_csv(directory.metrics)
    for chart in panels(read_study(study).runs)[0].charts:
        axes = chart.figure.axes[0]
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        ticks = [tick for tick in axes.get_xticks() if left <= tick <= right]
        assert 1 <= len(ticks) <= 7
        assert all(float(tick).is_integer() for tick in ticks)
        assert all(left <= x <= right and low <= y <= high for x, y in lines(chart)[1])


def test_each_chart_names_its_own_epochs(add, study):
    for name, epochs in (("step", 1), ("plateau", 3)):
        values = [0.5] * epochs
        table = pd.DataFrame({"epoch": range(epochs), "val/loss": values, "val/top1": values})
        table.to_csv(add("resnet50", name, "scratch").metrics)
    texts = {panel.charts[0].alt.partition(".")[0] for panel in panels(read_study(study).runs)}
    assert texts == {"Loss over 1 epoch", "Loss over 3 epochs"}


def test_a_diverging_row_is_cut_and_named(add, study):
    add("alexnet", "step", "finetuned")
    directory = add("resnet50", "step", "scratch")
    pd.DataFrame({"epoch": [0, 1], "train/loss": [1.0, 5e6], "val/loss": [1.1, float("nan")]}).to_csv(directory.metrics)
    calm, wild = panels(read_study(study).runs)
    assert (calm.clipped_loss, wild.clipped_loss) == (None, 5e6)
    assert calm.charts[0].figure.axes[0].get_ylim() == wild.charts[0].figure.axes[0].get_ylim()
    assert calm.charts[0].figure.axes[0].get_ylim()[1] < 2
    assert [len(line) for line in lines(wild.charts[0])] == [2, 1]


def test_a_chart_is_one_element_in_the_colours_of_the_page(whole_study):
    for chart in panels(read_study(whole_study).runs)[0].charts:
        root = ElementTree.fromstring(chart.inline)
        assert root.attrib["aria-label"] == chart.alt
        assert not any("id" in element.attrib or element.tag.endswith(("style", "use")) for element in root.iter())
        assert not any(colour in chart.inline for colour in PAGE_COLOURS)
        assert chart.inline.count("var(--accent)") == 4


@pytest.mark.parametrize("text", ["", "epoch,train/loss,val/loss\n"])
def test_a_run_before_its_first_epoch_has_no_panel(add, study, text):
    add("resnet50", "step", "scratch", state="running").metrics.write_text(text)
    assert panels(read_study(study).runs) == []
