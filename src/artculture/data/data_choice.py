"""Which paintings in which split: the values of the `data` group, also for use without a config."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path

from artculture.config.schema.data import Data
from artculture.config.schema.nodes import Node
from artculture.data.cache.folder import cache_folder, default_cache
from artculture.data.embeddings import EmbeddingChoice
from artculture.data.hub.dataset import HubDataset
from artculture.data.labels import label_words
from artculture.data.manifest import Manifest
from artculture.data.picture_table import ColumnNames
from artculture.utils.label_words import LabelWords


@dataclass(frozen=True)
class DataChoice:
    """Which paintings, in which split, as the `data` group says (see conf/data for each value).

    The defaults are for use without a config: as in `conf/data/folder.yaml`, but near-duplicates are not searched and
    any share of bad pictures is skipped where `on_bad_image` says so.
    """

    name: str
    root: str | None = None
    split: str = "auto"
    split_seed: int = 0
    fractions: list[float] = field(default_factory=lambda: [0.8, 0.1, 0.1])
    small_cultures: str = "error"
    on_bad_image: str = "error"
    cultures: list[str] | None = None
    cache: str = field(default_factory=default_cache)
    per_culture: int | None = None
    bad_image_share: float = 1.0
    cache_gb: float | None = None
    shuffle_shards: int | None = None
    label: str | None = None
    image: str | None = None
    id: str | None = None
    labels: list[str] | None = None
    ordinal: list[str] | None = None
    source: Node | None = None
    near_duplicates: str = "ignore"
    disjoint: str | None = None
    path: str | None = None
    config: str | None = None
    revision: str | None = None
    model: str | None = None
    folds: int | None = None
    fold: int | None = None
    label_name: str | None = None

    @classmethod
    def of(cls, data: Data) -> "DataChoice":
        """Return the choice in a config's `data`."""
        return cls(**{key.name: getattr(data, key.name) for key in fields(cls) if hasattr(data, key.name)})

    @property
    def columns(self) -> ColumnNames:
        return ColumnNames(self.label, self.image, self.id, self.disjoint, tuple(self.labels or ()))

    @property
    def label_column(self) -> str:
        """Name of the primary label's column."""
        return (self.labels or [self.label or "culture"])[0]

    def words(self, whole: Manifest, classes: Iterable[str]) -> LabelWords:
        """Return what a class of the primary label is called."""
        chosen = self.label_column if self.labels or self.label else None
        return label_words(self.label_name, chosen, whole.label, classes)

    @property
    def dataset(self) -> HubDataset | None:
        """The dataset of the Hub, of `data=hub`."""
        return HubDataset(self.path, self.config, self.revision) if self.path and self.name == "hub" else None

    @property
    def embeddings(self) -> EmbeddingChoice | None:
        """The files of `data=embeddings`."""
        return EmbeddingChoice(self.path, self.model) if self.path and self.name == "embeddings" else None

    def split_of(self, whole: Manifest) -> str:
        """Return `stratified`, `random` or `stored`; `auto` is `stored` where folders or dataset say the splits.

        With folds it is `stratified`.
        """
        if self.split != "auto":
            return self.split
        if self.folds is not None:
            return "stratified"
        return "stored" if whole.split_folders else "stratified"

    @property
    def cache_folder(self) -> Path:
        return cache_folder(self.cache)
