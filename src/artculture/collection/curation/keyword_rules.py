"""Flags by keywords in the museum's record: object name, classification, medium, title."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from artculture.collection.curation.config import KeywordRule
from artculture.utils.text import fold_text

FIELDS = ("object_name", "classification", "medium", "title")


@dataclass(frozen=True)
class Flag:
    """One reason to review a painting."""

    rule: str
    reason: str


def keyword_flags(record: Mapping[str, str], rules: Mapping[str, KeywordRule]) -> Iterator[Flag]:
    """Yield the flags of one painting, at most one per rule (from the first field that matches).

    Args:
        record: the fields of `FIELDS` that are known.
        rules: name of the flag → its keywords.
    """
    texts = {field: fold_text(record.get(field, "")) for field in FIELDS}
    for name, rule in rules.items():
        for field, text in texts.items():
            words = getattr(rule, field)
            # `unless` applies to the field of the match: a title may mention what the medium rules out.
            match = _pattern(tuple(words)).search(text) if words and text else None
            if match and not (rule.unless and _pattern(tuple(rule.unless)).search(text)):
                label = field.replace("_", " ")
                yield Flag(name, f"{label} “{shorten(record[field])}” has “{match[0]}”")
                break


def shorten(text: str, longest: int = 80) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


@lru_cache(maxsize=512)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    # Whole words and their plurals; a space in the rule also matches a hyphen in the record.
    longest_first = sorted((fold_text(word) for word in words), key=len, reverse=True)
    options = "|".join(re.escape(word).replace(r"\ ", r"[\s-]+") for word in longest_first)
    return re.compile(rf"(?<!\w)(?:{options})(?:e?s)?(?!\w)")
