import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import FontManager, fontManager

from artculture.analysis import plotting_style
from artculture.analysis.fonts import families, fonts_for
from artculture.analysis.printable_text import printable


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Make a font of squares for some letters and install it."""

    def install(name: str, letters: str) -> None:
        builder = FontBuilder(1000, isTTF=True)
        glyphs = [".notdef", *(f"g{n}" for n in range(len(letters)))]
        builder.setupGlyphOrder(glyphs)
        builder.setupCharacterMap({ord(letter): glyphs[n + 1] for n, letter in enumerate(letters)})
        pen = TTGlyphPen(None)
        for point, draw in zip(((0, 0), (0, 700), (700, 700)), (pen.moveTo, pen.lineTo, pen.lineTo), strict=True):
            draw(point)
        pen.closePath()
        builder.setupGlyf(dict.fromkeys(glyphs, pen.glyph()))
        builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (800, 0)))
        builder.setupHorizontalHeader(ascent=800, descent=-200)
        builder.setupNameTable({"familyName": name, "styleName": "Regular"})
        builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
        builder.setupPost()
        builder.save(tmp_path / f"{name}.ttf")
        fontManager.addfont(tmp_path / f"{name}.ttf")

    monkeypatch.setattr(fontManager, "ttflist", [e for e in FontManager().ttflist if e.name.startswith("DejaVu")])
    return install


def drawn(label, folder):
    figure, (axes,) = plotting_style.panels(2, 2)
    with plotting_style.styled():
        axes.set_title(label)
    plotting_style.save(figure, folder / "a.png", "png")


def test_letters_are_taken_from_an_installed_font(tmp_path, installed, caplog):
    installed("Some Emoji", "🎨")
    installed("Other Han", "中国")
    installed("Fewer Han", "中")
    with fonts_for(["中国", "Dutch", "🎨"]):
        assert families() == ["DejaVu Sans", "Other Han", "Some Emoji"]
        assert printable("中国 🎨") == "中国 🎨"
        drawn("中国 🎨", tmp_path)  # a missing glyph would raise a warning
    assert families() == ["DejaVu Sans"]
    assert caplog.text == ""


def test_letters_without_a_font_are_named_once(tmp_path, installed, caplog):
    with fonts_for(["中国", "中"]):
        drawn("中国", tmp_path)
        drawn("中", tmp_path)
    (record,) = caplog.records
    assert "2 of the letters" in record.getMessage()
    assert "中国" in record.getMessage()
