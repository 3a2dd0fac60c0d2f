import pytest

from artculture.serving import model_card


@pytest.mark.parametrize(
    ("fit", "says"),
    [
        ("crop", "shorter side 256 px (bilinear), centre crop of 224 px"),
        ("letterbox", "whole, longer side 224 px (bilinear), with borders"),
        ("stretch", "whole, stretched to 224 x 224 px"),
    ],
)
def test_a_card_says_how_pictures_become_square(fit, says):
    given = {"image_size": 224, "resize": 256, "interpolation": "bilinear", "fit": fit}
    assert model_card._pictures(given).startswith(says)
