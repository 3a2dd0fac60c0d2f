"""The noun of a label, in the forms that reports, figures and messages need."""

from dataclasses import dataclass

CULTURE = "culture"
# Of labels whose column says nothing of what they are.
CLASS = "class"
GENERIC = frozenset({"class", "label", "labels", "target", "category_id", "y"})
MUTE_H = ("heir", "hon", "hour")


@dataclass(frozen=True)
class LabelWords:
    """The noun of a label: `culture`, `style`, `art movement`.

    Attributes:
        one: the singular, as in a sentence.
    """

    one: str = CULTURE

    @property
    def many(self) -> str:
        """The plural: `cultures`, `centuries`, `classes`."""
        if self.one.endswith("y") and self.one[-2:-1].lower() not in "aeiou":
            return f"{self.one[:-1]}ies"
        return f"{self.one}es" if self.one.endswith(("s", "x", "z", "ch", "sh")) else f"{self.one}s"

    @property
    def title(self) -> str:
        """The singular at the start of a sentence: `Culture`."""
        return self.one[:1].upper() + self.one[1:]

    @property
    def titles(self) -> str:
        """The plural at the start of a sentence: `Cultures`."""
        return self.many[:1].upper() + self.many[1:]

    @property
    def with_article(self) -> str:
        """The singular with its article: `a culture`, `an artist`."""
        lower = self.one.lower()
        return f"{'an' if lower.startswith(('a', 'e', 'i', 'o', *MUTE_H)) else 'a'} {self.one}"

    @property
    def key(self) -> str:
        """The singular as the name of a column: `art_movement`."""
        return self.one.replace(" ", "_")

    @property
    def are_cultures(self) -> bool:
        """Whether the labels are cultures, which have a geography."""
        return self.one == CULTURE


CULTURE_WORDS = LabelWords()


def words_of_column(column: str) -> LabelWords:
    """Return the noun that a column's name says: `Art_Movement` is `art movement`, `label` is `class`."""
    name = " ".join(column.replace("_", " ").split())
    name = name if name.isupper() else name.lower()
    return LabelWords(CLASS if not name or name in GENERIC else name)
