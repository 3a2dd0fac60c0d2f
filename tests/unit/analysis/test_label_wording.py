import re
from dataclasses import replace

from matplotlib.text import Text

from artculture.analysis.culture_figures import culture_findings
from artculture.analysis.label_wording import worded
from artculture.report.figures import formatted_numbers
from artculture.utils.label_words import LabelWords
from tests.unit.analysis.synthetic import about, make_embeddings

CLASSES = ("Baroque", "Ecole", "Vinca culture")
PAPERS_WORDS = re.compile(r"\bcultur|region|geograph|\bpaper\b|continent", re.IGNORECASE)


def test_figures_of_styles_are_about_styles():
    embeddings = replace(make_embeddings(CLASSES, [30, 24, 20]), words=LabelWords("style"))
    found = [worded(each, embeddings.words, CLASSES) for each in culture_findings(embeddings, about(embeddings))]
    assert not {"geography", "regions"} & {each.name for each in found}
    for each in found:
        assert each.figure is not None
        drawn = [text.get_text() for text in each.figure.findobj(Text)]
        numbers = [label for label, _ in formatted_numbers(each.numbers)]
        said = "\n".join([each.title, each.caption, each.alt, *drawn, *numbers])
        assert PAPERS_WORDS.findall(said.replace("Vinca culture", "")) == [], f"{each.name}: {said}"
    assert any(
        "Vinca culture" in text.get_text() for each in found if each.figure for text in each.figure.findobj(Text)
    )


def test_articles_and_capitals_follow_the_noun():
    finding = worded(
        _finding("A culture, a culture's dots. Cultures of A culture"), LabelWords("artist"), ("A culture",)
    )
    assert finding.caption == "A culture, an artist's dots. Artists of A culture"
    assert finding.numbers == {"nearest_same_artist": 1, "artists": {"artist_x": 2}}


def test_the_names_of_classes_are_whole_words():
    assert worded(_finding("cult cultures"), LabelWords("style"), ("cult",)).caption == "cult styles"


def _finding(caption):
    from artculture.analysis.figure import Finding

    return Finding("name", "title", caption, numbers={"nearest_same_culture": 1, "cultures": {"culture_x": 2}})
