"""Parser of titles that name an album, manuscript or series."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from artculture.utils.text import fold_text

_LEAF = r"(?:(?:bi)?folios?|pages?|lea(?:f|ves)|sheets?|illustrations?|miniatures?|illuminations?|cuttings?)"
_PART = r"(?:panels?|sections?|scenes?|episodes?|plates?|scrolls?|parts?|fragments?)"
_BUNDLE = r"(?:albums?|series|sets?|manuscripts?|books?|suites?|handscrolls?|cycles?)"
_FROM = re.compile(r"\bfrom (?:(?:the|an?|his|her) )?(?P<work>.+)$")
_WHICH = r"(?:(?:left|right|central?|center|middle|upper|lower|first|second|third|fourth) )?"
_NUMBERED = re.compile(rf"^(?P<work>.+?)[,:;(] ?{_WHICH}(?:{_LEAF}|{_PART}|no\.?|number|one of)\b")
_GENERIC_WORDS = """
    a album albums an and animal animals bamboo bird birds book books by calligraphy collection cycle
    dispersed fan fans figure figures first flower flowers folio folios for handscroll his history
    illustrated imperial in insects landscape landscapes large leaf leaves manuscript of on or page pages
    painted painting paintings plants poem poems possibly royal scenes scroll second series set small
    stories story suite text the trees unfinished unidentified with work works
"""
_GENERIC = frozenset(_GENERIC_WORDS.split())


@dataclass(frozen=True)
class Album:
    """The album, manuscript or series that a painting belongs to.

    Attributes:
        name: normalized by `fold_text`, without text in brackets.
        named: the name distinguishes this album from others; otherwise (`an album of landscapes`, a text with many
            copies) more evidence is needed: the same artist, gift or date.
        single_artist: a part of a series, which has one artist; an album may have several.
    """

    name: str
    named: bool
    single_artist: bool


def album_of(title: str, copied_works: Sequence[str]) -> Album | None:
    """Return the album or series that a title names, or None."""
    text = re.sub(r"\s+", " ", fold_text(title).replace("“", '"').replace("”", '"')).strip()
    # Remove explanations in brackets (`Shahnama (Book of Kings)`), but not the number of a part.
    text = re.sub(rf"\((?!\s*{_WHICH}(?:{_LEAF}|{_PART}|no\b|one of))[^)]*\)", " ", text)
    origin = _FROM.search(text)
    if origin:
        before, work = text[: origin.start()], origin["work"]
        leaf, part = re.search(rf"\b{_LEAF}\b", before), re.search(rf"\b{_PART}\b", before)
        bundle = re.search(rf"\b{_BUNDLE}\b", work)
        if leaf or part or bundle:
            in_series = not leaf and (part is not None or "series" in work)
            return _album(work, copied_works, single_artist=in_series)
    # Without `from …`, the title itself is the series: `Twelve Views of the River, leaf C`.
    numbered = _NUMBERED.match(text)
    if numbered:
        return _album(numbered["work"], copied_works, single_artist=True)
    return None


def _album(work: str, copied_works: Sequence[str], *, single_artist: bool) -> Album | None:
    name = " ".join(re.findall(r"[\w'-]+", re.split(r"[,;:(]", work.replace('"', " "))[0]))
    rest = name
    for copied in copied_works:
        rest = re.sub(rf"(?<!\w){re.escape(fold_text(copied))}(?!\w)", " ", rest)
    distinctive = [word for word in rest.split() if word not in _GENERIC and not word.isdigit()]
    return Album(name, bool(distinctive), single_artist) if name else None
