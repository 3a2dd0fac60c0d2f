"""Titles and names as a figure's font can show them."""

import re
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.ft2font import FT2Font

FONT = "fonts/ttf/DejaVuSans.ttf"


def printable(text: str) -> str:
    """Text without what the figures' font has no glyph for (Chinese and Japanese script, say).

    Brackets that this leaves empty go too, and line breaks become spaces. Nothing is transliterated: a wrong reading
    would be worse than none, and the tables keep the whole text.
    """
    kept = "".join(character for character in text if character.isspace() or ord(character) in _glyphs())
    kept = re.sub(r"\(\W*\)|\[\W*\]", "", kept)
    return re.sub(r"\s+", " ", kept).strip(" ,;:/|·")


def shortened(text: str, length: int) -> str:
    """Printable text of at most `length` characters, cut at a word, with `…` for what was cut."""
    whole = printable(text)
    if len(whole) <= length:
        return whole
    cut = whole[: length - 1]
    at_word = cut.rpartition(" ")[0]
    cut = at_word if len(at_word) > length // 2 else cut
    # A bracket that would stay open goes with what was cut.
    cut = re.sub(r"\s*[(\[][^)\]]*$", "", cut) or cut
    return cut.rstrip(" ,;:/|·") + "…"


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(FT2Font(str(Path(matplotlib.get_data_path()) / FONT)).get_charmap())
