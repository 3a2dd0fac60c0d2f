import pytest

from artculture.studies.launchers.jobs import JobNotes, Submitted


@pytest.fixture
def notes(tmp_path):
    return JobNotes(tmp_path / "slurm", "resnet50-finetuned")


def test_notes_are_read_as_they_were_written(notes):
    assert notes.submitted() is None
    notes.submit(Submitted("12_3", 5.0))
    notes.end("12_3", 76)
    assert notes.submitted() == Submitted("12_3", 5.0)
    assert (notes.ended("12_3"), notes.ended("12_4")) == (76, None)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"job": 3', '{"other": 1}', '{"job": "1", "code": null}'])
def test_notes_that_are_not_whole_count_as_none(notes, text):
    notes.folder.mkdir()
    for kind in ("job", "exit"):
        (notes.folder / f"{notes.run}.{kind}.json").write_text(text)
    assert notes.submitted() is None
    assert notes.ended("1") is None
