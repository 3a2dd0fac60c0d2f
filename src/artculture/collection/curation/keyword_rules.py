"""Flags by what the museum's record says: object name, classification, medium, title."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from artculture.collection.curation.config import KeywordRule
from artculture.collection.grouping.text import fold_text

FIELDS = ("object_name", "classification", "medium", "title")


@dataclass(frozen=True)
class Flag:
    """One reason to look at a painting twice."""

    rule: str
    reason: str


def keyword_flags(record: Mapping[str, str], rules: Mapping[str, KeywordRule]) -> Iterator[Flag]:
    """The flags of one painting, at most one a rule (the first field that raises it).

    Args:
        record: the fields of `FIELDS` that are known.
        rules: name of the flag → its words.
    """
    texts = {field: fold_text(record.get(field, "")) for field in FIELDS}
    for name, rule in rules.items():
        for field, text in texts.items():
            words = getattr(rule, field)
            match = _pattern(tuple(words)).search(text) if words and text else None
            if match and not (rule.unless and _pattern(tuple(rule.unless)).search(text)):
                label = field.replace("_", " ")
                yield Flag(name, f"{label} “{shorten(record[field])}” has “{match[0]}”")
                break


def shorten(text: str, longest: int = 80) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


@lru_cache(maxsize=512)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    # Whole words and their plurals; a space in the rule also stands for a hyphen in the record.
    longest_first = sorted((fold_text(word) for word in words), key=len, reverse=True)
    options = "|".join(re.escape(word).replace(r"\ ", r"[\s-]+") for word in longest_first)
    return re.compile(rf"(?<!\w)(?:{options})(?:e?s)?(?!\w)")
