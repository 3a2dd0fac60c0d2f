import pytest

from artculture.analysis.printable_text import printable, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Étude d'un œil, Łódź", "Étude d'un œil, Łódź"),
        ("竹石圖 (Bamboo and Rock)", "(Bamboo and Rock)"),
        ("Bamboo and Rock (竹石圖)", "Bamboo and Rock"),
        ("富嶽三十六景", ""),
        ("two\nlines\t and  blanks ", "two lines and blanks"),
    ],
)
def test_only_what_the_font_has(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("text", "length", "shown"),
    [
        ("The Gulf Stream", 15, "The Gulf Stream"),
        ("The Gulf Stream", 14, "The Gulf…"),
        ("Supercalifragilistic", 10, "Supercali…"),
        ("Goya (Francisco de Goya y Lucientes)", 26, "Goya…"),
    ],
)
def test_cut_at_a_word(text, length, shown):
    assert shortened(text, length) == shown
    assert len(shortened(text, length)) <= length
