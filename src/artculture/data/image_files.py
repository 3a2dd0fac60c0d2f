"""The rule of what is a picture in a folder, what is hidden, and what is left out, for every command."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image

from artculture.data.decoding import readable_formats

# Folders that operating systems and storage devices keep next to the user's own, in lower case; those that begin with a
# dot (macOS, GNOME, QNAP, Jupyter) are hidden by that.
SYSTEM_FOLDERS = frozenset(
    {
        "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "~snapshot", "$recycle.bin", "recycler",
        "system volume information", "lost+found", "lost.dir", "found.000", "network trash folder", "temporary items",
        "thevolumesettingsfolder", "__macosx", "__pycache__",
    }
)  # fmt: skip
SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
SYSTEM_PREFIXES = (".", "synofile_thumb_", "~$")

HIDDEN = "hidden"
NO_PICTURE = "of kinds that are not read"
NO_CLASS = "in no class folder"
CLOSED = "in folders that can't be opened"
LOOP = "in links back to a folder above them"


@dataclass
class LeftOut:
    """Files that are not taken as pictures: number and first example by reason, and the suffixes of other kinds."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str, files: Iterable[str]) -> None:
        for file in files:
            self.counts[reason] += 1
            self.examples.setdefault(reason, file)

    def add_kind(self, file: str) -> None:
        """Add a file that is not a picture."""
        self.kinds[os.path.splitext(file)[1].lower() or "no suffix"] += 1  # noqa: PTH122 - may hold any bytes

    def merge(self, other: "LeftOut") -> None:
        """Add what is left out of another folder."""
        self.counts.update(other.counts)
        self.kinds.update(other.kinds)
        self.examples = other.examples | self.examples

    def __bool__(self) -> bool:
        return bool(self.counts or self.kinds)

    def __str__(self) -> str:
        """Return one line: number, reason and an example each."""
        examples = {reason: printable(file) for reason, file in self.examples.items()}
        parts = [
            f"{count} {reason} ({examples[reason]}{', …' if count > 1 else ''})"
            for reason, count in self.counts.items()
        ]
        if self.kinds:
            kinds = ", ".join(f"{printable(kind)} {count}" for kind, count in self.kinds.most_common(6))
            parts.append(f"{self.kinds.total()} {NO_PICTURE} ({kinds}{', …' if len(self.kinds) > 6 else ''})")
        return "; ".join(parts)


@dataclass
class FolderContent:
    """Content of a folder.

    Attributes:
        pictures: paths of the pictures below the folder, with `/`, sorted by folder and name.
        folders: paths of all its folders that are not hidden, likewise.
        left_out: files that are not taken.
    """

    pictures: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)


@cache
def picture_suffixes() -> frozenset[str]:
    """Return the suffixes of all formats that are decoded, in lower case, with the dot."""
    formats = readable_formats()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in formats)


def is_hidden(name: str) -> bool:
    """Return whether a file or folder belongs to the system or an application rather than to the collection."""
    lower = name.lower()
    return lower.startswith(SYSTEM_PREFIXES) or lower in SYSTEM_FOLDERS or lower in SYSTEM_FILES


def find_pictures(folder: Path) -> FolderContent:
    """Return the pictures below a folder, and what is left out.

    Links to folders are followed. Broken links and pipes with a picture's suffix are included, so that they are
    reported as unreadable pictures.
    """
    content = FolderContent()
    _add(content, folder, "", hidden=False, above=())
    return content


def _add(content: FolderContent, folder: Path, path: str, *, hidden: bool, above: tuple[str, ...]) -> None:
    real = os.path.realpath(folder)
    if real in above:
        content.left_out.add(LOOP, [path])
        return
    for entry in _entries(content, folder, path):
        below, invisible = f"{path}{entry.name}", hidden or is_hidden(entry.name)
        if _is_folder(entry):
            if not invisible:
                content.folders.append(below)
            _add(content, folder / entry.name, f"{below}/", hidden=invisible, above=(*above, real))
        elif os.path.splitext(entry.name)[1].lower() in picture_suffixes():  # noqa: PTH122
            if invisible:
                content.left_out.add(HIDDEN, [below])
            else:
                content.pictures.append(below)
        elif not invisible:
            content.left_out.add_kind(entry.name)


def _entries(content: FolderContent, folder: Path, path: str) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except PermissionError:
        content.left_out.add(CLOSED, [path])
        return
    yield from entries


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def name_problem(path: str) -> str | None:
    """Return why a path can't be stored in a table, or None: spaces and letters of any script are fine."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is not valid UTF-8 text"
    control = next((letter for letter in path if unicodedata.category(letter) == "Cc"), None)
    return f"its name holds the control character U+{ord(control):04X}" if control else None


def printable(text: str) -> str:
    """Return a file name for a message: bytes that are not UTF-8 and control characters are escaped."""
    shown = text.encode("utf-8", "backslashreplace").decode()
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) == "Cc" else c for c in shown)
