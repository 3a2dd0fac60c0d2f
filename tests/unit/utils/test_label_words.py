import pytest

from artculture.utils.label_words import LabelWords, words_of_column


@pytest.mark.parametrize(
    ("one", "many", "titles", "with_article"),
    [
        ("culture", "cultures", "Cultures", "a culture"),
        ("century", "centuries", "Centuries", "a century"),
        ("class", "classes", "Classes", "a class"),
        ("artist", "artists", "Artists", "an artist"),
        ("art movement", "art movements", "Art movements", "an art movement"),
        ("essay", "essays", "Essays", "an essay"),
    ],
)
def test_forms_of_a_noun(one, many, titles, with_article):
    words = LabelWords(one)
    assert (words.many, words.titles, words.with_article) == (many, titles, with_article)
    assert words.title == one[0].upper() + one[1:]


@pytest.mark.parametrize(
    ("column", "noun"),
    [("Art_Movement", "art movement"), ("Style", "style"), ("label", "class"), ("", "class"), ("CNN", "CNN")],
)
def test_noun_of_a_column(column, noun):
    assert words_of_column(column).one == noun
    assert words_of_column(column).are_cultures is (noun == "culture")
