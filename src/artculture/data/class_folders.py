"""Folders as labels: `root/<class>/…`, or `root/train/<class>/…` where the folders store the splits."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from artculture.data.image_files import NO_CLASS, FolderContent, LeftOut, find_pictures, name_problem, picture_suffixes
from artculture.data.labels import log_merged_labels
from artculture.data.manifest import SPLITS, Manifest, split_name, validate_table
from artculture.data.picture_table import find_table, ids_of_paths
from artculture.utils.errors import InputError
from artculture.utils.shell import quoted_argument

NAMED = 5


def scan_class_folders(root: Path) -> tuple[Manifest, LeftOut]:
    """Return the manifest of `root/<class>/**` or `root/<split>/<class>/**`, and what is left out of it.

    The class folder's name is the label, and the path the object id.

    Raises:
        InputError: no class folders, an empty one, or folders that may be classes as well as splits.
    """
    content = find_pictures(root)
    by_folder: dict[str, list[str]] = defaultdict(list)
    for image in content.pictures:
        by_folder[image.partition("/")[0] if "/" in image else ""].append(image)
    content.left_out.add(NO_CLASS, by_folder.pop("", []))
    stored = _are_splits(root, by_folder)
    depth = 2 if stored else 1
    labelled = [(image, image.split("/")) for images in by_folder.values() for image in images]
    if stored:
        content.left_out.add(NO_CLASS, [image for image, parts in labelled if len(parts) <= depth])
        labelled = [(image, parts) for image, parts in labelled if len(parts) > depth]
    labels = [parts[depth - 1] for _, parts in labelled]
    _check_classes(root, content, labels, depth)
    images = [image for image, _ in labelled]
    problem = next((f"{image!a}: {why}; rename it" for image in images if (why := name_problem(image))), None)
    if problem:
        raise InputError(problem)
    log_merged_labels(labels, root)
    table = pd.DataFrame({"object_id": ids_of_paths(images), "image": images, "culture": labels})
    if stored:
        table["split"] = [split_name(parts[0]) for _, parts in labelled]
    return Manifest(root, validate_table(table, root), split_folders=stored), content.left_out


def _are_splits(root: Path, by_folder: dict[str, list[str]]) -> bool:
    """Return whether the folders with pictures are splits, with the classes in them."""
    named = [folder for folder in by_folder if split_name(folder)]
    others = [folder for folder in by_folder if folder not in named]
    inner = {folder: _subfolders(by_folder[folder], folder) for folder in named}
    several = len({split_name(folder) for folder in named}) > 1
    if named and not others and any(inner.values()):
        return True
    if several and not others:
        raise InputError(
            f"data.root={root}: {_some(named)} are splits by their names, but hold no class folders: put each picture "
            f"into a folder of its class, as in {named[0]}/Dutch/a.jpg, or add a manifest.csv"
        )
    if others and ((several and any(inner.values())) or any(len(folders) > 1 for folders in inner.values())):
        raise InputError(
            f"data.root={root}: {_some(named)} are splits by their names, with class folders in them, but "
            f"{_some(others)} lie next to them: move those elsewhere"
        )
    return False


def _subfolders(images: Iterable[str], folder: str) -> set[str]:
    """Return the names of a folder's folders with pictures."""
    inside = (image[len(folder) + 1 :] for image in images)
    return {rest.partition("/")[0] for rest in inside if "/" in rest}


def _check_classes(root: Path, content: FolderContent, labels: list[str], depth: int) -> None:
    at_depth = {folder.split("/")[depth - 1] for folder in content.folders if folder.count("/") == depth - 1}
    classes = set(labels)
    if len(classes) < 2 and (inner := _inner_root(root, content)):
        raise InputError(
            f"data.root={root}: the data set lies further down; use {quoted_argument(f'data.root={inner}')}"
        )
    if not at_depth or (not classes and content.left_out.counts[NO_CLASS]):
        raise InputError(
            f"data.root={root}: it has neither a table (manifest.csv, metadata.csv or metadata.jsonl) nor one folder "
            f"per class{_other_tables(root)}"
        )
    empty = sorted(at_depth - classes)
    if empty:
        inside = f" (left out: {content.left_out})" if content.left_out else ""
        where = ", ".join(str(root / name) for name in empty) if depth == 1 else f"{', '.join(empty)} of {root}"
        raise InputError(
            f"no pictures in {where}: put some there ({', '.join(sorted(picture_suffixes()))}) or remove the "
            f"folder{inside}"
        )


def _inner_root(root: Path, content: FolderContent) -> Path | None:
    """Return the folder further down that holds class folders or a table, if there is one."""
    for folder in content.folders:
        if find_table(root / folder) is not None:
            return root / folder
    below = [image.split("/")[:-1] for image in content.pictures]
    if not below:
        return None
    common = below[0]
    for parts in below[1:]:
        common = common[: next((n for n, pair in enumerate(zip(common, parts, strict=False)) if pair[0] != pair[1]),
                               min(len(common), len(parts)))]  # fmt: skip
    branches = {parts[len(common)] for parts in below if len(parts) > len(common)}
    return root.joinpath(*common) if common and len(branches) > 1 else None


def _other_tables(root: Path) -> str:
    found = sorted(path.name for path in root.iterdir() if path.suffix.lower() in (".csv", ".tsv", ".jsonl"))
    return f"; to read {found[0]}, use {quoted_argument(f'data.root={root / found[0]}')}" if found else ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def scan_split_tables(root: Path) -> list[tuple[str, Path]]:
    """Return (folder, table) of each split's folder that holds a table, as in Hugging Face's `train/metadata.csv`."""
    folders = sorted(path for path in root.iterdir() if path.is_dir() and split_name(path.name))
    found = [(folder.name, table) for folder in folders if (table := find_table(folder)) is not None]
    return sorted(found, key=lambda pair: SPLITS.index(split_name(pair[0]) or "train"))
