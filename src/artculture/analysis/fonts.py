"""Fonts of figures: the project's own, and installed ones for letters that it lacks."""

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.font_manager import FontEntry, fontManager
from matplotlib.ft2font import FT2Font

log = logging.getLogger(__name__)

FAMILY = "DejaVu Sans"
FILE = "fonts/ttf/DejaVuSans.ttf"
MOST_FONTS = 4
# Families that hold many scripts come first, then others by name; colour fonts have no outlines to draw.
PREFERRED = ("Noto Sans CJK", "Source Han Sans", "Noto Sans", "Noto Emoji", "Symbola", "WenQuanYi", "Unifont")
NOT_DRAWN = ("color", "colour", "last resort", "lastresort")
NAMED = 10

_added: list[FontEntry] = []


def families() -> list[str]:
    """Return the font families of figures, in the order in which a letter is looked for."""
    return [FAMILY, *(entry.name for entry in _added)]


def glyphs() -> frozenset[int]:
    """Return the code points that the fonts of figures have."""
    own = _glyphs_of(str(Path(matplotlib.get_data_path()) / FILE))
    return own.union(*(_glyphs_of(entry.fname) for entry in _added))


@contextmanager
def fonts_for(labels: Iterable[str]) -> Iterator[None]:
    """Use installed fonts for the letters of labels that the own font lacks, within the block.

    Letters that no installed font has are named in one warning; boxes stand for them in figures.
    """
    wanted = {ord(letter) for label in labels for letter in label if not letter.isspace()}
    missing = wanted - glyphs()
    while missing and len(_added) < MOST_FONTS and (entry := _best(frozenset(missing))) is not None:
        _added.append(entry)
        missing -= _glyphs_of(entry.fname)
    try:
        with warnings.catch_warnings():
            if missing:
                shown = "".join(map(chr, sorted(missing)[:NAMED])) + ("…" if len(missing) > NAMED else "")
                log.warning(
                    "no installed font has %d of the letters in labels (%s): figures show boxes in their place; "
                    "install one that has them, such as Noto Sans CJK or Noto Emoji, and run analyze again",
                    len(missing),
                    shown,
                )
                warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
            yield
    finally:
        _added.clear()


def _best(missing: frozenset[int]) -> FontEntry | None:
    """Return the installed font with the most of the missing code points; None if no font has any."""
    usable = [e for e in fontManager.ttflist if e.style == "normal" and not any(n in e.name.lower() for n in NOT_DRAWN)]
    ranked = sorted(usable, key=lambda e: (_rank(e.name), str(e.weight) not in ("400", "normal", "regular"), e.name))
    counts = {id(entry): len(missing & _glyphs_of(entry.fname)) for entry in ranked}
    best = max(ranked, key=lambda entry: counts[id(entry)], default=None)
    return best if best is not None and counts[id(best)] else None


def _rank(name: str) -> int:
    return next((rank for rank, known in enumerate(PREFERRED) if name.startswith(known)), len(PREFERRED))


@cache
def _glyphs_of(file: str) -> frozenset[int]:
    try:
        font = FT2Font(file)
        return frozenset(font.get_charmap()) if font.scalable else frozenset()
    except (OSError, RuntimeError):  # removed or damaged
        return frozenset()
