"""The group `data`: which paintings, and how they are split and cached."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt, StringConstraints

from artculture.config.schema.marks import Mark, OnResume
from artculture.config.schema.nodes import Node, node_mistakes
from artculture.config.schema.section import Section, Share
from artculture.config.typed_text import AsTyped, Text
from artculture.utils.errors import choices_hint
from artculture.utils.targets import is_target
from artculture.utils.text import file_word

# How a picture that is not square becomes one: its centre, the whole with borders, or the whole stretched.
Fit = Literal["crop", "letterbox", "stretch"]
# A column of the manifest; no two splits share a value of it.
Disjoint = Annotated[str | None, AsTyped(), Mark.NOT_SEARCHED]
# The noun of a class in what people read, not the name of a column.
Noun = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\W\d_][\w '-]{0,39}$")]
# Columns of the manifest; one may be given without brackets.
LabelNames = Annotated[
    list[str] | None,
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    AsTyped(),
    Mark.NOT_SEARCHED,
]


class Paintings(Section):
    """What all data sources share.

    Attributes:
        folds: number of folds of a cross-validation; None for one split by `fractions`.
        fold: the fold that is the test split, from 0.
        label_name: what a class is called in reports, figures and messages; None for what the column is called.
    """

    name: str
    root: Annotated[str | None, AsTyped(), Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    split: Annotated[Literal["auto", "stratified", "random", "stored"], Mark.NOT_SEARCHED]
    split_seed: Annotated[int, Mark.NOT_SEARCHED]
    fractions: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Mark.NOT_SEARCHED]
    # As in runs that were stored before there were such keys.
    folds: Annotated[Annotated[int, Field(ge=2)] | None, Mark.NOT_SEARCHED] = None
    fold: Annotated[NonNegativeInt | None, Mark.NOT_SEARCHED] = None
    small_cultures: Annotated[Literal["error", "drop", "train"], Mark.NOT_SEARCHED]
    on_bad_image: Annotated[Literal["error", "skip"], Mark.NOT_SEARCHED]
    bad_image_share: Annotated[Share, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED] = 1.0
    cultures: Annotated[list[str] | None, AsTyped(), Mark.NOT_SEARCHED]
    label_name: Annotated[Noun | None, AsTyped(), Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED] = None
    image_size: Annotated[Annotated[int, Field(ge=32, le=2048)] | None, OnResume.FREE]
    fit: Annotated[Fit | None, OnResume.FREE] = None
    batch_size: Annotated[PositiveInt, OnResume.FREE]
    num_workers: Annotated[Literal["auto"] | NonNegativeInt, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    cache: Annotated[Text, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]


class SampleRecipe(Section):
    """Schedule of a method on the sample."""

    epochs: PositiveInt
    decay_every: PositiveInt


class Sample(Paintings):
    """The synthetic sample.

    Attributes:
        per_culture: mean number of pictures of a culture.
        recipe: schedule of each method that trains by gradient descent, from which `epochs` and `decay_every` follow.
    """

    name: Literal["sample"]
    per_culture: Annotated[Annotated[int, Field(ge=3)], Mark.NOT_SEARCHED]
    recipe: Annotated[dict[str, SampleRecipe], OnResume.FREE, Mark.SOURCE, Mark.NOT_SEARCHED]
    epochs: Annotated[PositiveInt, OnResume.FREE, Mark.SOURCE, Mark.NOT_SEARCHED]
    decay_every: Annotated[PositiveInt, Mark.SOURCE, Mark.NOT_SEARCHED]


class Table(Paintings):
    """What sources with columns share; the defaults are for runs that were stored before there were such keys."""

    label: Annotated[str | None, AsTyped(), Mark.NOT_SEARCHED] = None
    labels: LabelNames = None
    ordinal: LabelNames = None
    image: Annotated[str | None, AsTyped(), Mark.NOT_SEARCHED] = None
    id: Annotated[str | None, AsTyped(), Mark.NOT_SEARCHED] = None
    near_duplicates: Annotated[Literal["auto", "group", "ignore"], Mark.NOT_SEARCHED] = "auto"
    disjoint: Disjoint = None


class Folder(Table):
    name: Literal["folder", "met"]


class HubDataset(Table):
    """A dataset of the Hugging Face Hub.

    Attributes:
        path: repository, or a local folder or file of parquet.
        config: one of the dataset's configurations.
        revision: branch, tag or commit; a launch stores the commit that it stands for.
    """

    name: Literal["hub"]
    path: Annotated[str, AsTyped(), Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    config: Annotated[str | None, AsTyped(), Mark.NOT_SEARCHED]
    revision: Annotated[str | None, AsTyped(), Mark.NOT_SEARCHED]


class Embeddings(Paintings):
    """Vectors that a museum publishes of its pictures, joined with a table of labels.

    Attributes:
        root: table of labels.
        path: parquet file of embeddings, or folder of such files.
        model: the model whose embeddings are meant; None where there is one alone.
    """

    name: Literal["embeddings"]
    path: Annotated[str, AsTyped(), Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    model: Annotated[str | None, AsTyped(), Mark.NOT_SEARCHED]
    label: Annotated[str | None, AsTyped(), Mark.NOT_SEARCHED]
    id: Annotated[str | None, AsTyped(), Mark.NOT_SEARCHED]
    disjoint: Disjoint = None


class Shards(Paintings):
    name: Literal["shards"]
    cache_gb: Annotated[PositiveFloat, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    shuffle_shards: Annotated[PositiveInt, OnResume.FREE]
    labels: LabelNames = None
    ordinal: LabelNames = None
    disjoint: Disjoint = None


class CustomPaintings(Paintings):
    """Paintings of a function of the user's own.

    Attributes:
        source: `_target_` and arguments of the function; it returns a table with the manifest's columns.
    """

    name: Literal["custom"]
    source: Annotated[Node, Mark.NOT_SEARCHED]
    labels: LabelNames = None
    ordinal: LabelNames = None
    near_duplicates: Annotated[Literal["auto", "group", "ignore"], Mark.NOT_SEARCHED]
    disjoint: Disjoint = None


Data = Annotated[Sample | Folder | HubDataset | Embeddings | Shards | CustomPaintings, Field(discriminator="name")]


def data_contradictions(data: Data) -> Iterator[tuple[str, str]]:
    if isinstance(data, CustomPaintings):
        if not is_target(data.source):
            yield "data.source", "needs a _target_: the function that returns the table of paintings"
        yield from node_mistakes("data.source", data.source)
    if data.name == "folder" and not data.root:
        yield "data.root", "is missing; give the folder of pictures, data.root=path/to/folder"
    if data.name == "embeddings" and not data.root:
        yield "data.root", "is missing; give the table of labels, data.root=manifest.csv"
    if data.name == "shards" and not data.root:
        yield "data.root", "is missing; give the shards' folder or address, data.root=s3://bucket/paintings"
    if data.name == "sample" and data.split == "stored":
        yield "data.split", "is stored, but the sample stores none; use stratified or random"
    if data.name == "sample" and data.root is not None:
        yield "data.root", "has no meaning for data=sample; for your own pictures use data=folder"
    if data.name == "hub" and data.root is not None:
        yield "data.root", "has no meaning for data=hub; give the dataset, or its folder, as data.path=…"
    if len(data.fractions) != 3 or abs(sum(data.fractions) - 1) > 1e-6:
        yield "data.fractions", f"is {data.fractions}; give train, validation and test shares that sum to 1"
    yield from _fold_contradictions(data)
    if data.cultures is not None and (len(set(data.cultures)) != len(data.cultures) or len(data.cultures) < 2):
        yield "data.cultures", f"is {data.cultures}; give at least two different classes"
    yield from _label_contradictions(data)


def label_names(data: Data) -> tuple[str, ...]:
    """Return the names of the label columns, the first of which is the primary one."""
    names: list[str] | None = getattr(data, "labels", None)
    return tuple(names or [getattr(data, "label", None) or "culture"])


def ordinal_names(data: Data) -> frozenset[str]:
    """Return the names of the label columns whose classes have an order."""
    return frozenset(getattr(data, "ordinal", None) or ())


def _label_contradictions(data: Data) -> Iterator[tuple[str, str]]:
    labels: list[str] | None = getattr(data, "labels", None)
    if labels is not None and getattr(data, "label", None) is not None:
        yield "data.label", f"and data.labels={labels}: give one of them, and only one"
    # Each names a file of predictions.
    if labels is not None and (not labels or len(set(map(file_word, labels))) != len(labels) or "" in labels):
        yield "data.labels", f"is {labels}; give different columns, as in data.labels=[culture,medium]"
    names = label_names(data)
    for name in sorted(ordinal_names(data) - set(names)):
        yield f"data.ordinal={name}:", f"is not among the labels; {choices_hint(name, names)}"


def _fold_contradictions(data: Data) -> Iterator[tuple[str, str]]:
    if data.folds is None:
        if data.fold is not None:
            yield "data.fold", f"is {data.fold}, but data.folds is null: give the number of folds, as in data.folds=5"
        return
    every = ",".join(map(str, range(data.folds)))
    if data.fold is None:
        yield "data.fold", f"is missing; give data.fold=0, or all folds as runs of one row with -m data.fold={every}"
    elif data.fold >= data.folds:
        yield "data.fold", f"is {data.fold}, but the {data.folds} folds are {every}"
    if data.split in ("stored", "random"):
        yield (
            "data.folds",
            f"are drawn by class and group, and data.split={data.split} is another split: use data.split=stratified",
        )
