"""A dataset of the Hugging Face Hub, or of its layout in a folder: its commit, parquet files, splits and features."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from artculture.utils.errors import InputError, WorkError, reason_of

NEEDS = "data=hub needs the extra `hub`: pip install 'artculture[hub]'"
COMMIT = re.compile(r"[0-9a-f]{40}")
# What the Hub converts every public dataset to.
CONVERTED = "data.revision=refs/convert/parquet"


@dataclass(frozen=True)
class HubDataset:
    """Which dataset.

    Attributes:
        path: repository on the Hub, as in `huggan/wikiart`; or a local folder or parquet file.
        config: one of the dataset's configurations; None for its only or default one.
        revision: branch, tag or commit; None for the newest state.
    """

    path: str
    config: str | None = None
    revision: str | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "HubDataset":
        """Return the dataset of a config's `data`."""
        return cls(str(data["path"]), data.get("config"), data.get("revision"))

    @property
    def local(self) -> Path | None:
        """The folder or file on this machine; None for a repository on the Hub.

        Raises:
            InputError: there is no such folder or file, or it is given with a revision.
        """
        path = Path(self.path).expanduser()
        if not path.exists():
            if self.path.startswith((".", "/", "~")) or self.path.count("/") > 1:
                raise InputError(f"data.path={self.path}: no such folder or file")
            return None
        if self.revision is not None:
            raise InputError(
                f"data.revision={self.revision}: data.path={self.path} is a folder or file on this machine, which has "
                "no revisions; leave it out"
            )
        return path


@dataclass(frozen=True)
class DatasetFiles:
    """Parquet files of a dataset.

    Attributes:
        root: local folder or address that the names start from.
        splits: split of each file by its name.
        features: type of each column, as `datasets` knows it; None where only the files say so.
    """

    root: str
    splits: dict[str, str]
    features: Any


def is_pinned(dataset: HubDataset) -> bool:
    """Return whether a dataset is local or at a commit."""
    return dataset.local is not None or COMMIT.fullmatch(dataset.revision or "") is not None


def pinned(dataset: HubDataset) -> HubDataset:
    """Return the dataset at a commit, so that a later change on the Hub does not matter; a local one as it is.

    Raises:
        InputError: there is no such dataset or revision, or it is not accessible.
        WorkError: the Hub can't be reached.
    """
    if is_pinned(dataset):
        return dataset
    return HubDataset(dataset.path, dataset.config, _commit_of(dataset.path, dataset.revision))


@lru_cache(maxsize=64)  # the runs of a grid ask for the same one
def _commit_of(path: str, revision: str | None) -> str:
    hub = import_extra("huggingface_hub")
    try:
        return str(hub.HfApi().dataset_info(path, revision=revision).sha)
    except Exception as error:  # errors of the Hub's HTTP library, which changes between versions
        raise_mapped(error, HubDataset(path, None, revision))


def find_files(dataset: HubDataset, cache: Path) -> DatasetFiles:
    """Return the files of a dataset, its splits and its features; no code of the dataset is run.

    Args:
        dataset: at a commit, or local.
        cache: folder for what `datasets` writes.

    Raises:
        InputError: there is no such dataset or configuration, or its files are not parquet.
        WorkError: the Hub can't be reached.
    """
    datasets = import_extra("datasets")
    datasets.disable_progress_bars()
    local = dataset.local
    named: dict[str, Any] = {"cache_dir": str(cache), "name": dataset.config}
    try:
        if local is not None and local.is_file():
            builder = datasets.load_dataset_builder("parquet", data_files=str(local.resolve()), **named)
        elif local is not None:
            builder = datasets.load_dataset_builder(str(local), **named)
        else:
            builder = datasets.load_dataset_builder(dataset.path, revision=dataset.revision, **named)
    except Exception as error:  # of the library, its HTTP client and its parsers
        raise_mapped(error, dataset)
    if builder.name != "parquet":
        what = "folders of pictures are read by data=folder" if local else f"take the Hub's own copy, {CONVERTED}"
        raise InputError(f"data.path={dataset.path} holds {builder.name} files, and only parquet is read: {what}")
    folder = None if local is None else (local if local.is_dir() else local.parent).resolve()
    root = f"hf://datasets/{dataset.path}@{dataset.revision}" if folder is None else str(folder)
    splits: dict[str, str] = {}
    for split, addresses in builder.config.data_files.items():
        for address in addresses:
            # A dataset card may name files elsewhere, also on this machine.
            if not str(address).startswith(f"{root}/") or "/../" in str(address):
                raise InputError(f"data.path={dataset.path} names the file {address}, which lies outside the dataset")
            splits.setdefault(str(address).removeprefix(f"{root}/"), str(split))
    return DatasetFiles(root, splits, builder.info.features)


def opened(address: str) -> Any:
    """Return an opened file of a dataset, on this machine or on the Hub; of the latter only what is read is sent."""
    import fsspec

    system, path = fsspec.core.url_to_fs(address)
    return system.open(path, "rb", cache_type="none")


def raise_mapped(error: Exception, dataset: HubDataset) -> NoReturn:
    """Raise an error of the Hub's libraries as one that says what to do."""
    kind, reason = type(error).__name__, reason_of(error)
    where = f"data.path={dataset.path}"
    if isinstance(error, (InputError, WorkError)):
        raise error
    if kind in ("RepositoryNotFoundError", "DatasetNotFoundError", "HFValidationError", "GatedRepoError"):
        message = (
            f"{where}: no such folder, and no such dataset on the Hub for this user ({reason}); for a private or gated "
            "one, set the environment variable HF_TOKEN"
        )
    elif kind == "RevisionNotFoundError":
        message = f"data.revision={dataset.revision}: {where} has no such branch, tag or commit"
    elif kind in ("EmptyDatasetError", "DataFilesNotFoundError"):
        message = f"{where} has no data files: {reason}"
    elif isinstance(error, RuntimeError) and "scripts" in reason:
        message = f"{where} is loaded by a script of its own, which is never run: take the Hub's own copy, {CONVERTED}"
    elif isinstance(error, ValueError) and "onfig" in reason:
        shown = " ".join(str(error).split("Example of usage")[0].split())
        message = f"data.config={dataset.config}: {where}: {shown}"
    else:
        raise WorkError(f"{where} can't be read ({kind}: {reason}); run the same command again later") from error
    raise InputError(message) from error


def import_extra(name: str) -> Any:
    """Import a module of the extra `hub`.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(NEEDS) from error
