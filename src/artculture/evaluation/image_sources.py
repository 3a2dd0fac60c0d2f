"""What `images=…` means: files, folders, globs, addresses and lists of them, as single pictures."""

import glob
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

from artculture.collection.fetching.responses import (
    USER_AGENT,
    FailedAttemptError,
    PermanentHTTPError,
    check_status,
    translated_errors,
)
from artculture.data.decoding import BadImageError, read_pixels
from artculture.data.sources import find_images
from artculture.data.transforms import Preprocessing
from artculture.utils.errors import InputError, WorkError
from artculture.utils.secrets import hidden

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Source:
    """One picture to come.

    Attributes:
        name: as the user would write it: a path or an address.
        problem: why there is none, where the name leads to nothing.
    """

    name: str
    problem: str | None = None

    @property
    def shown(self) -> str:
        """The name as it is told: as text, which a file's need not be, and without an address's password."""
        return hidden(self.name.encode("utf-8", "backslashreplace").decode())

    @property
    def is_address(self) -> bool:
        return self.name.lower().startswith(("http://", "https://"))


def find_sources(names: Iterable[str]) -> list[Source]:
    """Every picture that the names mean, each once, in the order given (a folder's by path).

    Args:
        names: files, folders (with all below them), globs (`**` too) and http(s) addresses. A file of that very name
            goes before a glob.

    Returns:
        A name that leads to nothing is in the list too, with its `problem`.

    Raises:
        InputError: no name leads to anything.
    """
    found = list({source.name: source for name in names for source in _meant(name.strip()) if source.name}.values())
    if all(source.problem for source in found):
        reasons = "; ".join(f"{source.name}: {source.problem}" for source in found[:5])
        raise InputError(f"images: {reasons or 'nothing named'}; give files, folders, globs or http(s) addresses")
    return found


def _meant(name: str) -> Iterator[Source]:
    path = _expanded(name)
    is_there = _is_there(path)
    if not name or Source(name).is_address:
        yield Source(name)
    elif is_there and path.is_dir():
        inside = find_images(path)
        yield from (Source(str(image)) for image in inside) if inside else [Source(name, "no pictures in the folder")]
    elif is_there:
        yield Source(name)
    elif glob.has_magic(name):
        # Path.glob takes no absolute pattern. A folder that is matched beside files need not hold any.
        matches = [source for match in sorted(glob.glob(str(path), recursive=True)) for source in _meant(match)]  # noqa: PTH207
        yield from [source for source in matches if not source.problem] or [Source(name, "matches nothing")]
    else:
        yield Source(name, "no such file or folder")


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # `~name` of nobody
        return Path(name)


def _is_there(path: Path) -> bool:
    """Whether anything goes by that name: a pipe or a link to nothing too, which reading explains."""
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True


@dataclass(frozen=True)
class Reader:
    """Reads pictures from disk and from the web as training reads them from disk.

    Attributes:
        preprocessing: the classifier's.
        timeout: seconds that an address may be silent.
        largest: bytes a download.
    """

    preprocessing: Preprocessing
    timeout: float = 30.0
    largest: float = 100 * MEGABYTE

    def pixels(self, source: Source) -> NDArray[np.uint8]:
        """The picture, its shorter side resized for the classifier, uint8 height x width x 3.

        Raises:
            BadImageError: with the reason.
        """
        if source.problem:
            raise BadImageError(source.problem)
        if not source.is_address:
            return self._decoded(_expanded(source.name))
        with tempfile.TemporaryDirectory(prefix="artculture-") as folder:
            return self._decoded(self._downloaded(source.name, Path(folder) / "picture"))

    def _decoded(self, path: Path) -> NDArray[np.uint8]:
        try:
            return read_pixels(path, self.preprocessing.resize, self.preprocessing.interpolation)
        except WorkError as error:  # the next one may fit into memory again
            raise BadImageError(str(error)) from error

    def _downloaded(self, address: str, path: Path) -> Path:
        too_large = BadImageError(f"more than {self.largest / MEGABYTE:g} MB")
        headers = {"User-Agent": USER_AGENT, "Accept": "image/*"}
        try:
            with (
                translated_errors(self.timeout),
                httpx.stream("GET", address, timeout=self.timeout, follow_redirects=True, headers=headers) as response,
                path.open("wb") as file,
            ):
                check_status(response)
                if int(response.headers.get("Content-Length") or 0) > self.largest:
                    raise too_large
                for chunk in response.iter_bytes():
                    if file.tell() + len(chunk) > self.largest:
                        raise too_large
                    file.write(chunk)
        except (FailedAttemptError, PermanentHTTPError, ValueError) as error:
            raise BadImageError(f"can't be downloaded: {hidden(str(error)) or type(error).__name__}") from error
        return path
