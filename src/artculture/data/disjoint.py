"""Splits that share no artist, or no other value of a column: `data.disjoint`."""

import logging
import re

import pandas as pd

from artculture.data.copies import merge_groups
from artculture.data.splits import DISJOINT
from artculture.utils.errors import InputError, choices_hint
from artculture.utils.text import fold_text

log = logging.getLogger(__name__)

NAMED = 5
# A name with one of these words names nobody, in the languages of museum catalogues.
_NOBODY_WORDS = """
    unknown unidentified unattributed anonymous anonym anonyme anonimo anoniem anonymus unbekannt unbekannter onbekend
    inconnu inconnue desconocido desconhecido sconosciuto ignoto
    佚名 無名氏 无名氏 不詳 不详 不明 作者不詳 作者不明
"""
_NOBODY = frozenset(_NOBODY_WORDS.split())
# Names that as a whole name nobody.
_NO_NAMES = frozenset(["", "n a", "na", "nan", "none", "null", "artist", "painter", "various", "various artists"])


def compared_name(name: str) -> str:
    """Return a name as it is compared: words in lower case, without accents, punctuation and text in brackets.

    Names of nobody are "": blank ones, those with a word such as `unknown`, `unidentified` or `anonymous`, and
    placeholders such as `n/a`, `various artists` or a lone `artist`.
    """
    words = re.findall(r"\w+", fold_text(re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", name)))
    compared = " ".join(words)
    if compared in _NO_NAMES or not _NOBODY.isdisjoint(words):
        return ""
    return compared


def compared_names(names: pd.Series) -> pd.Series:
    """Return `compared_name` of each, on the same index."""
    texts = names.astype(object)
    return texts.map({name: compared_name(str(name)) for name in texts.unique()}).astype(object)


def with_disjoint_values(table: pd.DataFrame, column: str | None) -> pd.DataFrame:
    """Return the table with the groups merged of rows that name the same in a column, and the names in `DISJOINT`.

    Raises:
        InputError: there is no such column, or it names nothing in any row.
    """
    if column is None:
        return table
    if column not in table:
        raise InputError(f"data.disjoint={column}: the data have no such column; {choices_hint(column, table.columns)}")
    values = compared_names(table[column])
    if not (values != "").any():
        raise InputError(
            f"data.disjoint={column}: none of the {len(table)} paintings names one (the column is blank or says "
            "`unknown`); fill it in, or leave data.disjoint out"
        )
    return merge_groups(table.assign(**{DISJOINT: values}), values)


def check_disjoint(table: pd.DataFrame, split: pd.Series, column: str | None) -> None:
    """Raise an InputError if a stored split parts the rows of one value in `DISJOINT`."""
    if column is None:
        return
    values = table[DISJOINT]
    named = values != ""
    parts = split[named].groupby(values[named]).nunique()
    parted = parts.index[parts > 1]
    if not len(parted):
        return
    shown = ", ".join(str(table[column][values == value].iloc[0]) for value in parted[:NAMED])
    raise InputError(
        f"data.disjoint={column}, but the stored split has {len(parted)} of {len(parts)} in two splits or more "
        f"({shown}{', …' if len(parted) > NAMED else ''}): draw another with data.split=stratified, or correct it"
    )


def log_disjoint(table: pd.DataFrame, column: str | None) -> None:
    """Log how many values are kept in one split each, and how many rows have none."""
    if column is not None:
        named = table[DISJOINT][table[DISJOINT] != ""]
        log.info(
            "data.disjoint=%s: %d of them, each in one split; %d of %d paintings name none and are split one by one",
            column,
            named.nunique(),
            len(table) - len(named),
            len(table),
        )
