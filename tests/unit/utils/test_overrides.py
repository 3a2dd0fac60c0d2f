import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from artculture.utils.overrides import override_value


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (0.001, "0.001"),
        (1e-05, "1e-05"),
        ("resnet50", "resnet50"),
        ("null", "'null'"),
        ("7", "'7'"),
        ("val/loss", "'val/loss'"),
        ("a b,c=[d]", "'a b,c=[d]'"),
        ("it's \\", "'it\\'s \\\\'"),
        ([64, "x"], "[64,x]"),
    ],
)
def test_a_value_is_read_back_as_it_was(value, typed):
    assert override_value(value) == typed
    assert OverridesParser.create().parse_override(f"key={typed}").value() == value
