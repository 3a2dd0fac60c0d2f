"""Resolve `images=…` (files, folders, globs, URLs) to single images, and read them."""

import glob
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artculture.collection.fetching.responses import (
    PICTURE_ERRORS,
    PICTURE_HEADERS,
    check_status,
    failure_reason,
    translated_errors,
)
from artculture.data.decoding import BadImageError, Decoding, read_pixels
from artculture.data.image_files import LeftOut, find_pictures
from artculture.data.transforms import Preprocessing
from artculture.utils.errors import InputError, WorkError
from artculture.utils.http.downloader import Downloader
from artculture.utils.secrets import hidden

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class ImageSource:
    """One image to read.

    Attributes:
        name: path or URL, as the user would type it.
        error: reason why the name does not lead to an image, if so.
    """

    name: str
    error: str | None = None

    @property
    def display_name(self) -> str:
        """The name as printable text: undecodable bytes of a file name escaped, a URL's password removed."""
        return hidden(self.name.encode("utf-8", "backslashreplace").decode())

    @property
    def is_url(self) -> bool:
        return self.name.lower().startswith(("http://", "https://"))


def find_sources(names: Iterable[str]) -> tuple[list[ImageSource], LeftOut]:
    """Return every image that the names lead to, each once, in the order given, and what folders hold besides.

    Args:
        names: files, folders (searched recursively), globs (`**` included) and http(s) URLs. A file whose name looks
            like a glob is taken as the file.

    Returns:
        The images, a folder's by path, and the files in folders that are left out. A name that leads to no image is
        included with its `error`.

    Raises:
        InputError: no name leads to an image.
    """
    left_out = LeftOut()
    sources = (source for name in names for source in _expand(name, left_out) if source.name)
    found = list({source.name: source for source in sources}.values())
    if all(source.error for source in found):
        reasons = "; ".join(f"{source.name}: {source.error}" for source in found[:5])
        raise InputError(f"images: {reasons or 'no images given'}; give files, folders, globs or http(s) URLs")
    return found, left_out


def _expand(name: str, left_out: LeftOut) -> Iterator[ImageSource]:
    # Spaces around a name may be the file's own, or come from a list.
    name = name if _is_there(_user_path(name)) else name.strip()
    path = _user_path(name)
    is_there = _is_there(path)
    if not name or ImageSource(name).is_url:
        yield ImageSource(name)
    elif is_there and path.is_dir():
        inside = find_pictures(path)
        left_out.merge(inside.left_out)
        reason = f"no pictures in the folder{f' (left out: {inside.left_out})' if inside.left_out else ''}"
        yield from [ImageSource(str(path / image)) for image in inside.pictures] or [ImageSource(name, reason)]
    elif is_there:
        yield ImageSource(name)
    elif glob.has_magic(name):
        # glob.glob, because Path.glob rejects absolute patterns. Empty folders among the matches are ignored.
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207
        sources = [source for match in matches for source in _expand(match, left_out)]
        yield from [source for source in sources if not source.error] or [ImageSource(name, "matches nothing")]
    else:
        yield ImageSource(name, "no such file or folder")


def _user_path(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # `~name` where there is no such user
        return Path(name)


def _is_there(path: Path) -> bool:
    """Return whether the path exists; a pipe or a dangling link counts, reading it gives the clearer error."""
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True


@dataclass(frozen=True)
class ImageReader:
    """Reader of images from disk and from the web, with the decoding used in training.

    Attributes:
        preprocessing: resize and interpolation of the classifier.
        downloader: for addresses.
        decoding: as of `read_pixels`; None for that of the preprocessing.
    """

    preprocessing: Preprocessing
    downloader: Downloader
    decoding: Decoding | None = None

    def pixels(self, source: ImageSource) -> NDArray[np.uint8]:
        """Return an image, its shorter side resized for the classifier, uint8, height x width x 3.

        Raises:
            BadImageError: the image can't be downloaded or decoded; its text is the reason.
        """
        return self.pixels_for(source, (self.preprocessing,))[0]

    def pixels_for(self, source: ImageSource, kinds: Sequence[Preprocessing]) -> list[NDArray[np.uint8]]:
        """Return an image as `pixels` does, once for each kind of preprocessing; it is downloaded once."""
        if source.error:
            raise BadImageError(source.error)
        if not source.is_url:
            return [self._decode(_user_path(source.name), kind) for kind in kinds]
        with tempfile.TemporaryDirectory(prefix="artculture-") as folder:
            file = self._download(source.name, Path(folder) / "image")
            return [self._decode(file, kind) for kind in kinds]

    def _decode(self, path: Path, kind: Preprocessing) -> NDArray[np.uint8]:
        try:
            return read_pixels(path, kind.resize, kind.interpolation, self.decoding or kind.fit)
        except WorkError as error:  # out of memory: smaller images may still fit
            raise BadImageError(str(error)) from error

    def _download(self, url: str, path: Path) -> Path:
        try:
            with translated_errors(self.downloader.timeout):
                self.downloader.download(url, path)
        except PICTURE_ERRORS as error:
            raise BadImageError(f"can't be downloaded: {failure_reason(error)}") from error
        return path


def image_downloader(timeout: float, max_bytes: float, max_seconds: float, *, allow_private: bool) -> Downloader:
    """Return the downloader of images, with the arguments of `Downloader`."""
    return Downloader(
        PICTURE_HEADERS,
        check_status,
        timeout=timeout,
        max_bytes=max_bytes,
        max_seconds=max_seconds,
        allow_private=allow_private,
    )
