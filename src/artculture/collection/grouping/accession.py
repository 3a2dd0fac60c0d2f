"""Accession numbers: which of them name one object, and which merely one gift.

A museum numbers by gift: `29.100.5` is the fifth item of the hundredth lot of 1929, and that lot is a whole
bequest of unrelated paintings. So a shared lot alone joins nothing. What names one object is a letter
(`29.160.34a`, `…b`), a fourth part (`55.121.10.22`, a folio of album `55.121.10`) or a range (`1982.220.1-.8`,
a set of eight).
"""

import re
import unicodedata

LONGEST_RANGE = 500

_DASHES = re.compile("[\u2010-\u2015\u2212]")
_LETTERS = re.compile(r"\.?[a-z](?:\s*(?:[-,&]|and)\s*\.?[a-z])*$")
_RANGE = re.compile(r"^(?P<stem>.*\.)(?P<first>\d+)\s*(?:-|,|&|and|to)\s*(?P<stem2>[\d.]*\.)?(?P<last>\d+)$")
_DOTTED = re.compile(r"^\d+(?:\.\d+)+$")


def normalised(number: str) -> str:
    plain = _DASHES.sub("-", unicodedata.normalize("NFKC", number)).casefold()
    return re.sub(r"\s+", " ", plain).strip()


def object_stems(number: str) -> set[str]:
    """The numbers of the whole objects that an accession number belongs to; empty for no number.

    Two paintings are parts of one object when their stems meet.
    """
    text = normalised(number)
    if not text:
        return set()
    text = _LETTERS.sub("", text) if re.search(r"\d\.?[a-z]", text) else text
    several = _RANGE.match(text)
    if several and several["stem2"] in (None, ".", several["stem"]):
        first, last = int(several["first"]), int(several["last"])
        if first < last <= first + LONGEST_RANGE:
            return {_whole(f"{several['stem']}{i}") for i in range(first, last + 1)}
    return {_whole(text)}


def _whole(number: str) -> str:
    parts = number.split(".")
    return ".".join(parts[:3]) if _DOTTED.match(number) and len(parts) > 3 else number


def lot(number: str) -> str:
    """The gift or purchase that an item came with, "29.100" of "29.100.5"; empty for an item of its own."""
    match = re.match(r"^(\d+\.\d+)\.\d+", normalised(number))
    return match[1] if match else ""
