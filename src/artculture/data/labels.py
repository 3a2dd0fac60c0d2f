"""Labels: their normal form, their order, and names that may mean one class."""

import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pandas as pd

from artculture.utils.errors import InputError, choices_hint
from artculture.utils.label_words import CULTURE, LabelWords, words_of_column
from artculture.utils.text import natural_key, normal_label

log = logging.getLogger(__name__)

# The paper's cultures, in its order.
CULTURES = (
    "American",
    "British",
    "Chinese",
    "Dutch",
    "Flemish",
    "French",
    "German",
    "Indian",
    "Italian",
    "Japanese",
    "Spanish",
)
# Shorter names differ by one letter without being misspelt.
SHORTEST_MISSPELT = 6
LONGEST_NUMERAL = 4  # letters, as in "viii"
NAMED = 8


def label_order(table: pd.DataFrame, cultures: list[str] | None) -> tuple[str, ...]:
    """Return the classes in label order: the given list, else the canonical cultures present, else in natural order.

    Raises:
        InputError: a culture that has no painting, or fewer than two classes.
    """
    present = set(table["culture"]) - {""}  # "" where one of several labels is missing
    if not present:
        raise InputError("not one painting is left to use; a classifier needs at least two classes of them")
    if cultures is not None:
        cultures = [normal_label(name) for name in cultures]
        unknown = [name for name in cultures if name not in present]
        if unknown:
            raise InputError(f"data.cultures: no painting of {unknown[0]}; {choices_hint(unknown[0], present)}")
        return tuple(cultures)
    canonical = present <= set(CULTURES)
    order = tuple(c for c in CULTURES if c in present) if canonical else tuple(sorted(present, key=natural_key))
    if len(order) < 2:
        raise InputError(f"only one class ({order[0]}) in the data; a classifier needs at least two")
    return order


def label_words(given: str | None, chosen: str | None, found: str, classes: Iterable[str]) -> LabelWords:
    """Return what a class is called.

    Args:
        given: as a config says; None for as the column is called.
        chosen: column of the labels that a config names; None for none.
        found: column that they were read from without being named; "" where it is not known, as of folders.
        classes: names of the classes; the paper's are cultures.
    """
    if given:
        return LabelWords(given)
    if chosen is None and set(classes) <= set(CULTURES):
        return LabelWords(CULTURE)
    return words_of_column(found if chosen is None else chosen)


def log_merged_labels(labels: Iterable[str], where: object) -> None:
    """Log labels that are one in their normal form: without spaces around them, in one Unicode form."""
    written: dict[str, set[str]] = defaultdict(set)
    for label in set(labels):
        written[normal_label(label)].add(label)
    merged = [sorted(forms) for forms in written.values() if len(forms) > 1]
    if merged:
        shown = "; ".join(" = ".join(map(ascii, forms)) for forms in merged[:NAMED])
        log.warning(
            "%s: labels that differ only in spaces around them or in their Unicode form are one class: %s; give them "
            "one spelling",
            where,
            shown,
        )


def log_similar_labels(counts: Mapping[str, int]) -> None:
    """Log, in one warning, labels that may mean one class: other case, accents or punctuation, or one letter changed.

    Args:
        counts: number of paintings per label.
    """
    groups = similar_labels(counts)
    if groups:
        shown = "; ".join(" / ".join(f"{name} ({counts[name]})" for name in group) for group in groups[:NAMED])
        more = f" and {len(groups) - NAMED} more" if len(groups) > NAMED else ""
        log.warning(
            "labels that may mean one class are trained as several: %s%s; give them one name in the table or folders, "
            "or choose some with data.cultures=[…]",
            shown,
            more,
        )


def similar_labels(names: Iterable[str]) -> list[list[str]]:
    """Return groups of labels that are nearly equal, in natural order."""
    order = sorted(names, key=natural_key)
    keys: dict[str, list[str]] = defaultdict(list)
    for name in order:
        bare = _bare(name)
        for key in {bare, *_shortened(bare)}:
            keys[key].append(name)
    group = {name: name for name in order}
    for key, members in keys.items():
        for name in members[1:]:
            if key and _nearly_equal(members[0], name):
                first = group[members[0]]
                group = {other: first if own == group[name] else own for other, own in group.items()}
    found: dict[str, list[str]] = defaultdict(list)
    for name in order:
        found[group[name]].append(name)
    return [members for members in found.values() if len(members) > 1]


def _bare(name: str) -> str:
    """Return a name without case, accents, spaces and punctuation."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in plain if letter.isalnum()) or plain


def _shortened(bare: str) -> Iterable[str]:
    """Yield a name without one of its letters: two names that differ in one letter have one of them in common."""
    if len(bare) >= SHORTEST_MISSPELT:
        for place, letter in enumerate(bare):
            if letter.isalpha():
                yield f"{bare[:place]}{bare[place + 1 :]}"


def _nearly_equal(first: str, second: str) -> bool:
    one, other = _bare(first), _bare(second)
    if re.findall(r"\d+", one) != re.findall(r"\d+", other) or abs(len(one) - len(other)) > 1:
        return False
    # Numbers and short words tell classes apart: "Period 1" and "Period 2", "Group A" and "Group B", "I" and "II".
    words = [re.findall(r"[^\W_]+", name.casefold()) for name in (first, second)]
    differing = {word for pair in zip(*words, strict=False) if pair[0] != pair[1] for word in pair}
    return len(words[0]) != len(words[1]) or not differing or max(map(len, differing)) > LONGEST_NUMERAL or one == other
