"""Selection of paintings for a classifier that is trained already."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from artculture.data.copies import group_exact_copies
from artculture.data.data_choice import DataChoice
from artculture.data.disjoint import with_disjoint_values
from artculture.data.label_columns import known_labels, with_any_label
from artculture.data.labels import label_order
from artculture.data.manifest import Manifest
from artculture.data.selection import Selection, Selector, drawn_split, make_selection, of_cultures
from artculture.data.splits import DISJOINT
from artculture.data.stored_split import StoredSplit
from artculture.utils.errors import InputError

log = logging.getLogger(__name__)

NO_LABELS: Mapping[str, Sequence[str]] = {}


def selection_for(classes: Sequence[str], further: Mapping[str, Sequence[str]] = NO_LABELS) -> Selector:
    """Return a selector of a manifest's paintings for a trained classifier.

    Labels are matched by name, so some of the classifier's cultures may have no painting. Cultures too small for three
    splits are accepted, because nothing is trained. Cultures that the classifier does not know raise an InputError.

    Args:
        classes: classes of the classifier, in label order.
        further: classes of its further labels, by column.
    """

    def choose(choice: DataChoice, whole: Manifest, table: pd.DataFrame, final: bool) -> Selection:
        table = with_any_label(table, final=final)
        if choice.cultures is not None:
            label_order(table, choice.cultures)
            table = of_cultures(table, choice.cultures, choice)
        unknown = sorted(set(table["culture"]) - {"", *classes})
        if unknown:
            known = [name for name in classes if name in set(table["culture"])]
            fix = f"leave them out with data.cultures=[{','.join(known)}]" if known else "use data of its classes"
            raise InputError(
                f"the classifier does not know {', '.join(unknown)} (it knows {', '.join(classes)}): {fix}"
            )
        table = with_disjoint_values(group_exact_copies(table), choice.disjoint)
        how = choice.split_of(whole)
        split = drawn_split(table, how, choice, complete=False)
        labels = known_labels(table, further, choice.ordinal or (), final=final)
        return make_selection(choice, whole, table.drop(columns=DISJOINT, errors="ignore"), classes, split, labels)

    return choose


def selection_of_run(
    stored: StoredSplit, classes: Sequence[str], where: Path, further: Mapping[str, Sequence[str]] = NO_LABELS
) -> Selector:
    """Return a selector of a run's paintings that still exist, in the run's split.

    It warns of changes since the run was trained, and raises an InputError if no painting is left.

    Args:
        stored: split of the run.
        classes: classes of the run, in label order.
        where: name of the run in messages.
        further: classes of its further labels, by column.
    """

    def choose(choice: DataChoice, whole: Manifest, table: pd.DataFrame, final: bool) -> Selection:
        table = with_any_label(table, final=final)
        table = table if choice.cultures is None else of_cultures(table, choice.cultures, choice)
        # Small cultures that the training dropped were not added since.
        table = of_cultures(table, classes, choice) if choice.small_cultures == "drop" else table
        match = stored.match(table)
        if final and (changes := match.changes()):
            log.warning("the data changed since %s was trained, so only its own paintings count: %s", where, changes)
        own = match.same & table["culture"].isin([*classes, ""]).to_numpy()
        if final and not own.any():
            raise InputError(
                f"none of the paintings of {where} is left ({match.changes()}): restore them, or name others with "
                "data=…"
            )
        labels = known_labels(table[own], further, choice.ordinal or (), final=final)
        return make_selection(choice, whole, table[own], tuple(classes), pd.Series(match.split[own]), labels)

    return choose
