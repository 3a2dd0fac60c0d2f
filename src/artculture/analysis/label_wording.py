"""Findings in the words of one's own labels: figures are described for cultures."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from matplotlib.text import Text

from artculture.analysis.figure import Finding
from artculture.utils.label_words import CULTURE, LabelWords

Wording = Callable[[str], str]
# What figures say of the regions of cultures, which no other labels have.
OF_REGIONS = (
    (re.compile("(coloured by|in) a shade of its region's hue"), "in a colour of its own"),
    (re.compile("coloured by region"), "coloured by culture"),
    (re.compile("; colours show regions"), ""),
)


def worded(finding: Finding, words: LabelWords, classes: Iterable[str]) -> Finding:
    """Return a finding whose texts call a class what it is; one about cultures stays as it is.

    Args:
        finding: its figure is changed in place.
        words: what a class is called.
        classes: names of the classes, which may have the word `culture` in them and stay.
    """
    if words.are_cultures:
        return finding
    names = set(classes)
    say = _wording(words, names)
    if finding.figure is not None:
        for text in finding.figure.findobj(Text):
            if CULTURE in text.get_text().lower():
                text.set_text(say(text.get_text()))
    return replace(
        finding,
        title=say(finding.title),
        caption=say(finding.caption),
        alt=say(finding.alt),
        numbers=_numbers(finding.numbers, words, names),
    )


def _wording(words: LabelWords, names: set[str]) -> Wording:
    forms = {"culture": words.one, "cultures": words.many, "Culture": words.title, "Cultures": words.titles}
    # Longer names first, which may begin with shorter ones.
    known = "|".join(map(re.escape, sorted(names, key=len, reverse=True))) or "(?!)"
    pattern = re.compile(rf"(?<!\w)(?P<name>{known})(?!\w)|(?P<article>\b[Aa] )?\b(?P<noun>[Cc]ultures?)\b")

    def word(found: re.Match[str]) -> str:
        if found["name"] is not None:
            return found["name"]
        if not found["article"]:
            return forms[found["noun"]]
        both = words.with_article
        return both[0].upper() + both[1:] if found["article"][0] == "A" else both

    def say(text: str) -> str:
        for said, instead in OF_REGIONS:
            text = said.sub(instead, text)
        return pattern.sub(word, text)

    return say


def _numbers(value: Any, words: LabelWords, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {
            key if key in names else re.sub(r"culture(?=s?(_|$))", words.key, str(key)): _numbers(each, words, names)
            for key, each in value.items()
        }
    return value
