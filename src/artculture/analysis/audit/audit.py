"""The audit of a collection's labels by the features of one classifier."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from artculture.analysis.audit.confident_learning import find_label_issues, out_of_fold_probabilities
from artculture.analysis.audit.tables import conflict_table, label_table, outlier_table
from artculture.analysis.model_under_study import Embeddings, ModelUnderStudy
from artculture.data.cache.pixel_cache import PixelCache
from artculture.data.copies import group_exact_copies, merge_groups
from artculture.data.near_duplicates import DuplicatePair, fingerprints, near_duplicates
from artculture.data.similar_pictures import SimilarPictures
from artculture.utils.progress import Progress
from artculture.utils.spreadsheets import write_csv

log = logging.getLogger(__name__)

LABELS, OUTLIERS, CONFLICTS = "label_errors.csv", "outliers.csv", "conflicts.csv"
FILES = (LABELS, OUTLIERS, CONFLICTS)


@dataclass(frozen=True)
class Audit:
    """Ranked tables, most suspicious first, as `tables` makes them."""

    labels: pd.DataFrame
    outliers: pd.DataFrame
    conflicts: pd.DataFrame

    def write(self, folder: Path) -> list[Path]:
        """Write the tables into a folder, which is made; return their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name for name in FILES]
        for table, path in zip((self.labels, self.outliers, self.conflicts), paths, strict=True):
            write_csv(table, path)
        return paths


def audit_labels(
    model: ModelUnderStudy,
    embeddings: Embeddings,
    folds: int = 5,
    neighbours: int = 10,
    seed: int = 0,
    on_progress: Progress = lambda *_: None,
) -> Audit:
    """Judge the labels of all paintings.

    Args:
        model: the classifier and the paintings.
        embeddings: of the paintings; only the features are used.
        folds: of the cross-validation.
        neighbours: by whose mean distance outliers are ranked.
        seed: of the folds.
        on_progress: called with (done, total) fits of the cross-validation.

    Raises:
        InputError: the paintings have one label or are of one group.
    """
    _log_method(model)
    about = model.paintings.selection.manifest.table
    pairs = _near_duplicates(model)
    near = pd.Series(SimilarPictures(pairs).column(len(about)), index=about.index)
    groups = merge_groups(group_exact_copies(about), near)["group"].tolist()
    probabilities = out_of_fold_probabilities(
        embeddings.features, embeddings.labels, groups, len(embeddings.classes), folds, seed, on_progress
    )
    return Audit(
        label_table(embeddings, about, probabilities, find_label_issues(probabilities, embeddings.labels)),
        outlier_table(embeddings, about, neighbours),
        conflict_table(about, pairs),
    )


def _log_method(model: ModelUnderStudy) -> None:
    method = model.classifier.hyper["method"]
    if method not in ("transfer", "probe"):
        log.warning(
            "the backbone was trained on these labels (method=%s), so its features may repeat their errors, and fewer "
            "are found: audit a run of method=transfer or probe",
            method,
        )


def _near_duplicates(model: ModelUnderStudy) -> list[DuplicatePair]:
    """Return the near-duplicates, exact copies among them, as positions in the selection; none in shards."""
    cache = model.paintings.cache
    if not isinstance(cache, PixelCache):
        log.warning("near-duplicates are not looked for in shards")
        return []
    return near_duplicates(fingerprints(cache.image(int(row)) for row in model.paintings.selection.rows))
