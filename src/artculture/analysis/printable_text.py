"""Titles and names limited to the glyphs of the figures' font."""

import re

from artculture.analysis.fonts import glyphs


def printable(text: str) -> str:
    """Remove the characters that the figures' fonts have no glyph for (Chinese or Japanese script, for example).

    Brackets left empty are removed and line breaks become spaces. Nothing is transliterated: a wrong transliteration
    would be worse than none, and the tables keep the whole text.
    """
    known = glyphs()
    kept = "".join(character for character in text if character.isspace() or ord(character) in known)
    # Brackets without letters or digits, left over from removed characters.
    kept = re.sub(r"\(\W*\)|\[\W*\]", "", kept)
    return re.sub(r"\s+", " ", kept).strip(" ,;:/|·")


def shortened(text: str, length: int) -> str:
    """Return printable text of at most `length` characters, cut between words and ended with `…`."""
    whole = printable(text)
    if len(whole) <= length:
        return whole
    cut = whole[: length - 1]
    at_word = cut.rpartition(" ")[0]
    cut = at_word if len(at_word) > length // 2 else cut
    # Remove a bracket whose closing part was cut.
    cut = re.sub(r"\s*[(\[][^)\]]*$", "", cut) or cut
    return cut.rstrip(" ,;:/|·") + "…"
