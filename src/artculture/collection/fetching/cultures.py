"""Assignment of paintings to cultures by the words in their records.

If several cultures claim one painting, the first of the record's fields culture, artist's nationality and country that
names exactly one of them decides. If none does, the claim of lowest rank decides (the location with the fewest
paintings, or the word that comes first), and among equal ranks the first culture in alphabetical order.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from artculture.collection.fetching.records import Record
from artculture.utils.errors import InputError

DECIDING_FIELDS = ("culture", "artist_nationality", "country")


@dataclass(frozen=True)
class Claim:
    """Evidence that a painting belongs to a culture.

    Attributes:
        word: the location or nationality that was found.
        field: of the record, or `geoLocation` for a search by location.
        rank: lower is stronger: number of paintings of the location, or position of the word in the record.
    """

    culture: str
    word: str
    field: str
    rank: int


@dataclass(frozen=True)
class Decision:
    """The culture of a painting and the rule that decided."""

    culture: str
    rule: str


class CultureMatcher:
    """Matcher of the words of `conf/cultures/` in museum records.

    Args:
        groups: {culture: (locations, nationalities)}.
        ignored: names that contain a culture's word but belong to none ("South America").

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
        """Return the (culture, word) pairs that occur in a text, in its order, each culture once."""
        found: dict[str, str] = {}
        for match in self._pattern.finditer(text.casefold()):
            # Ignored words match too, so that they cover the culture's word inside them, but have no owner.
            owner = self._owner.get(match[0])
            if owner is not None:
                found.setdefault(owner, match[0])
        return list(found.items())

    def claims(self, record: Record) -> list[Claim]:
        """Return the claims by a record's own fields, strongest first."""
        claims: dict[str, Claim] = {}
        for place, field in enumerate(DECIDING_FIELDS):
            for order, (culture, word) in enumerate(self.words_in(getattr(record, field))):
                # Fields before words: any word of a field ranks before those of the next field.
                claims.setdefault(culture, Claim(culture, word, field, rank=100 * place + order))
        return list(claims.values())

    def decide(self, claims: Iterable[Claim], record: Record) -> Decision:
        """Return the culture of a painting, by the rule in this module's docstring."""
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
