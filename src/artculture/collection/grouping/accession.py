"""Parser of accession numbers: parts of one object, and items of one gift.

Museums number by gift: `29.100.5` is the fifth item of lot 100 of 1929, and that lot may be a bequest of unrelated
paintings. A shared lot alone therefore groups nothing. One object is identified by a letter (`29.160.34a`, `…b`), a
fourth part (`55.121.10.22`, a folio of album `55.121.10`) or a range (`1982.220.1-.8`, a set of eight).
"""

import re
import unicodedata

LONGEST_RANGE = 500  # items; a longer range is more likely a typing error

# Museums type hyphens, dashes and minus signs alike.
_DASHES = re.compile("[\u2010-\u2015\u2212]")
_LETTERS = re.compile(r"\.?[a-z](?:\s*(?:[-,&]|and)\s*\.?[a-z])*$")
_RANGE = re.compile(r"^(?P<stem>.*\.)(?P<first>\d+)\s*(?:-|,|&|and|to)\s*(?P<stem2>[\d.]*\.)?(?P<last>\d+)$")
_DOTTED = re.compile(r"^\d+(?:\.\d+)+$")


def normalised(number: str) -> str:
    """Return a number in lower case, with plain hyphens and single spaces."""
    plain = _DASHES.sub("-", unicodedata.normalize("NFKC", number)).casefold()
    return re.sub(r"\s+", " ", plain).strip()


def object_stems(number: str) -> set[str]:
    """Return the numbers of the whole objects that an accession number belongs to; empty for no number.

    Two paintings are parts of one object if their sets intersect.
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
    """Return the gift or purchase of an item, "29.100" for "29.100.5"; empty for a single item."""
    match = re.match(r"^(\d+\.\d+)\.\d+", normalised(number))
    return match[1] if match else ""
