"""Culture groups: which words claim a painting for which culture, and which claim wins.

The rule, where several cultures claim one painting: the first of the record's own fields (culture, artist's
nationality, country) that names exactly one of the claimants decides; if none does, the strongest claim does
(the location with the fewest paintings, or the word that stands first), and among equals the first in the
alphabet.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from artculture.collection.fetching.records import Record
from artculture.errors import InputError

DECIDING_FIELDS = ("culture", "artist_nationality", "country")


@dataclass(frozen=True)
class Claim:
    """Why a culture may own a painting.

    Attributes:
        word: the location or nationality that speaks for the culture.
        field: where it stood: a field of the record, or `geoLocation` for a search.
        rank: the lower, the stronger (paintings of the location, or the word's place in the record).
    """

    culture: str
    word: str
    field: str
    rank: int


@dataclass(frozen=True)
class Decision:
    culture: str
    rule: str


class CultureMatcher:
    """The culture groups of `conf/cultures/`, ready to be looked up.

    Args:
        groups: {culture: (locations, nationalities)}.
        ignored: names that hold a culture's word and mean none of ours ("South America").

    Raises:
        InputError: a word that stands for two cultures.
    """

    def __init__(self, groups: Mapping[str, tuple[Sequence[str], Sequence[str]]], ignored: Iterable[str] = ()) -> None:
        self.locations = {culture: tuple(locations) for culture, (locations, _) in groups.items()}
        self._owner: dict[str, str] = {}
        for culture, (locations, nationalities) in groups.items():
            for word in (*locations, *nationalities):
                other = self._owner.setdefault(word.casefold(), culture)
                if other != culture:
                    raise InputError(f"`{word}` stands for two cultures, {other} and {culture}; keep one of them")
        # Longest first, so that "South Netherlandish" is not read as "Netherlandish".
        words = sorted({*self._owner, *(word.casefold() for word in ignored)}, key=len, reverse=True)
        self._pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, words)) + r")(?!\w)")

    def words_in(self, text: str) -> list[tuple[str, str]]:
        """The (culture, word) pairs that a text names, in the text's order, a culture once."""
        found: dict[str, str] = {}
        for match in self._pattern.finditer(text.casefold()):
            owner = self._owner.get(match[0])
            if owner is not None:
                found.setdefault(owner, match[0])
        return list(found.items())

    def claims(self, record: Record) -> list[Claim]:
        """The claims that a record's own words make, strongest first."""
        claims: dict[str, Claim] = {}
        for place, field in enumerate(DECIDING_FIELDS):
            for order, (culture, word) in enumerate(self.words_in(getattr(record, field))):
                claims.setdefault(culture, Claim(culture, word, field, rank=100 * place + order))
        return list(claims.values())

    def decide(self, claims: Iterable[Claim], record: Record) -> Decision:
        """The one culture of a painting, by the rule at the top of this module."""
        strongest = sorted(claims, key=lambda claim: (claim.rank, claim.culture))
        claimants = {claim.culture for claim in strongest}
        if len(claimants) == 1:
            return Decision(strongest[0].culture, "the only claim")
        for field in DECIDING_FIELDS:
            named = claimants.intersection(culture for culture, _ in self.words_in(getattr(record, field)))
            if len(named) == 1:
                return Decision(named.pop(), f"named by the record's {field}")
        first = strongest[0]
        why = "location with the fewest paintings" if first.field == "geoLocation" else "named first"
        return Decision(first.culture, f"{why} ({first.word})")
