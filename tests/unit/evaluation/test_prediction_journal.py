import json

import pytest

from artculture.evaluation.image_sources import ImageSource
from artculture.evaluation.predict import Prediction
from artculture.evaluation.prediction_journal import PredictionJournal
from artculture.utils.errors import InputError

SOURCES = [ImageSource(name) for name in ("a.jpg", "b.jpg", "c.jpg")]
MADE = [Prediction("a.jpg", (("Dutch", 0.75), ("Indian", 0.25))), Prediction("b.jpg", error="zero bytes")]


@pytest.fixture
def journal(tmp_path):
    def opened(**identity):
        return PredictionJournal(tmp_path / "out.csv", identity or {"checkpoint": "abc"})

    return opened


@pytest.fixture
def stopped(journal, tmp_path):
    with journal() as opened:
        for prediction in MADE:
            opened.append(prediction)
    return tmp_path / "out.csv.partial"


def test_predictions_outlive_the_process_that_made_them(journal, stopped):
    with journal() as again:
        assert again.count(SOURCES) == 2
        assert list(again.predictions()) == MADE
        again.append(Prediction("c.jpg", (("Dutch", 1.0),)))
        assert again.count(SOURCES) == 3
        again.remove()
    assert not stopped.exists()


@pytest.mark.parametrize("kept", ["", '{"image":"c.j', "{"])
def test_a_line_that_was_cut_off_is_removed(journal, stopped, kept):
    with stopped.open("a") as file:
        file.write(kept)
    with journal() as again:
        assert again.count(SOURCES) == 2
        again.append(Prediction("c.jpg", error="not a picture"))
        assert again.count(SOURCES) == 3
    assert [json.loads(line)["image"] for line in stopped.read_text().splitlines()[1:]] == ["a.jpg", "b.jpg", "c.jpg"]


def test_predictions_of_something_else_are_refused_and_kept(journal, stopped):
    with pytest.raises(InputError, match=r"of other predictions .* delete it to start over"), journal(checkpoint="x"):
        pass
    with journal() as again:
        for sources in (SOURCES[:1], SOURCES[::-1]):
            with pytest.raises(InputError, match="of other pictures"):
                again.count(sources)
        assert again.count(SOURCES) == 2


def test_two_processes_do_not_share_it(journal):
    with journal(), pytest.raises(InputError, match="another process writes"), journal():
        pass
    with journal():
        pass
