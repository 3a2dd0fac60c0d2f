import pandas as pd
import pytest

from artculture.report.paintings import culture_counts, find_manifest, thumbnail, web_address, worst_mistakes
from artculture.report.study_data import read_study
from artculture.utils.errors import InputError


@pytest.fixture
def run(add, study):
    add("resnet50", "step", "scratch")

    def read():
        return read_study(study).best

    return read


def test_the_surest_mistakes_come_first(run, manifest):
    found = worst_mistakes(run(), find_manifest(run().config), 12)
    assert [mistake.object_id for mistake in found] == ["id-14", "id-12", "id-17"]
    first = found[0]
    assert (first.true.culture, first.true.probability) == ("Japanese", 0.04)
    assert [(guess.culture, guess.probability) for guess in first.guesses] == [
        ("Dutch", 0.9),
        ("French", 0.06),
        ("Japanese", 0.04),
    ]
    assert (first.artist, first.date, first.url) == ("A. & B. 14", "1890", "https://museum.example/14")
    assert first.thumbnail.startswith(b"\xff\xd8")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_more_mistakes_than_asked_for(run, count):
    assert len(worst_mistakes(run(), None, count)) == count


def test_without_the_pictures_a_mistake_keeps_its_numbers(run, manifest):
    (manifest / "images/14.png").write_bytes(b"no picture")
    (manifest / "images/12.png").unlink()
    found = worst_mistakes(run(), find_manifest(run().config), 12)
    assert [mistake.thumbnail is None for mistake in found] == [True, True, False]
    (manifest / "manifest.csv").unlink()
    assert find_manifest(run().config) is None or not find_manifest(run().config).table["title"].any()
    assert worst_mistakes(run(), None, 1)[0].guesses[0].culture == "Dutch"


def test_ids_that_two_museums_share_are_distinguished(run, manifest):
    directory = run().directory
    for file in (manifest / "manifest.csv", directory.split, directory.predictions):
        table = pd.read_csv(file)
        table.loc[table["object_id"] == "id-17", "object_id"] = "id-14"
        if "source" in table:
            table.loc[table.index[-1], "source"] = "artic"
        table.to_csv(file, index=False)
    titles = [mistake.artist for mistake in worst_mistakes(run(), find_manifest(run().config), 12)]
    assert titles == ["A. & B. 14", "A. & B. 12", "A. & B. 17"]


def test_counts_by_culture_and_split(run):
    counts = culture_counts(run())
    assert [(c.culture, c.train, c.val, c.test, c.all, c.recall) for c in counts] == [
        ("Dutch", 3, 1, 2, 6, 0.5),
        ("French", 3, 1, 2, 6, 1.0),
        ("Japanese", 3, 1, 2, 6, None),
    ]


def test_a_broken_table_is_named(run):
    run().directory.predictions.write_text("nothing,here\n1,2\n")
    with pytest.raises(InputError, match=r"predictions\.csv is not a table of predictions; train the run again"):
        worst_mistakes(run(), None, 3)


@pytest.mark.parametrize("text", ["javascript:alert(1)", "data:text/html,x", "", "//museum.example", "http://[x"])
def test_only_addresses_of_the_web_become_links(text):
    assert web_address(text) == ""


def test_thumbnails_are_small(manifest):
    assert len(thumbnail(manifest / "images/0.png")) < 40_000
