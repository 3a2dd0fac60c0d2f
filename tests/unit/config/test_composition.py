import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from artculture.config.composition import quoted

VALUES = [
    "outputs/a-seed=1/checkpoints/best.ckpt",
    "https://example.org/a.jpg?size=1&form=a,b#(c)",
    "it's one, (1) {a}: 50%.jpg",
    r"C:\pictures\a.jpg",
    "ends\\",
    r"back\'quote",
    "scans/**/*.[jt]*",
    "-",
]


@pytest.mark.parametrize("value", VALUES)
def test_a_quoted_value_is_read_as_it_was_typed(value):
    (typed,) = quoted([f"images={value}"], ["images"])
    assert OverridesParser.create().parse_override(typed).value() == value


@pytest.mark.parametrize(
    "text", ["images=[a,b]", "images='a b'", 'images="a"', "images=null", "images=", "top=3", "-m"]
)
def test_what_needs_no_quotes_stays(text):
    assert quoted([text], ["images"]) == [text]
