"""Resolve `images=…` (files, folders, globs, URLs) to single images, and read them."""

import glob
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artculture.collection.fetching.responses import (
    USER_AGENT,
    FailedAttemptError,
    OversizedAnswerError,
    PermanentHTTPError,
    check_status,
    translated_errors,
)
from artculture.data.decoding import BadImageError, read_pixels
from artculture.data.sources import find_images
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


def find_sources(names: Iterable[str]) -> list[ImageSource]:
    """Return every image that the names lead to, each once, in the order given; a folder's images by path.

    Args:
        names: files, folders (searched recursively), globs (`**` included) and http(s) URLs. A file whose name looks
            like a glob is taken as the file.

    Returns:
        The images; a name that leads to none is included with its `error`.

    Raises:
        InputError: no name leads to an image.
    """
    found = list({source.name: source for name in names for source in _expand(name.strip()) if source.name}.values())
    if all(source.error for source in found):
        reasons = "; ".join(f"{source.name}: {source.error}" for source in found[:5])
        raise InputError(f"images: {reasons or 'no images given'}; give files, folders, globs or http(s) URLs")
    return found


def _expand(name: str) -> Iterator[ImageSource]:
    path = _user_path(name)
    is_there = _is_there(path)
    if not name or ImageSource(name).is_url:
        yield ImageSource(name)
    elif is_there and path.is_dir():
        inside = find_images(path)
        yield from (
            (ImageSource(str(image)) for image in inside)
            if inside
            else [ImageSource(name, "no pictures in the folder")]
        )
    elif is_there:
        yield ImageSource(name)
    elif glob.has_magic(name):
        # glob.glob, because Path.glob rejects absolute patterns. Empty folders among the matches are ignored.
        matches = [source for match in sorted(glob.glob(str(path), recursive=True)) for source in _expand(match)]  # noqa: PTH207
        yield from [source for source in matches if not source.error] or [ImageSource(name, "matches nothing")]
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
    """

    preprocessing: Preprocessing
    downloader: Downloader

    def pixels(self, source: ImageSource) -> NDArray[np.uint8]:
        """Return an image, its shorter side resized for the classifier, uint8, height x width x 3.

        Raises:
            BadImageError: the image can't be downloaded or decoded; its text is the reason.
        """
        if source.error:
            raise BadImageError(source.error)
        if not source.is_url:
            return self._decode(_user_path(source.name))
        with tempfile.TemporaryDirectory(prefix="artculture-") as folder:
            return self._decode(self._download(source.name, Path(folder) / "image"))

    def _decode(self, path: Path) -> NDArray[np.uint8]:
        try:
            return read_pixels(path, self.preprocessing.resize, self.preprocessing.interpolation)
        except WorkError as error:  # out of memory: smaller images may still fit
            raise BadImageError(str(error)) from error

    def _download(self, url: str, path: Path) -> Path:
        try:
            with translated_errors(self.downloader.timeout):
                self.downloader.download(url, path)
        except (FailedAttemptError, PermanentHTTPError, OversizedAnswerError, ValueError) as error:
            raise BadImageError(f"can't be downloaded: {hidden(str(error)) or type(error).__name__}") from error
        return path


def image_downloader(timeout: float, max_bytes: float, max_seconds: float, *, allow_private: bool) -> Downloader:
    """Return the downloader of images, with the arguments of `Downloader`."""
    return Downloader(
        {"User-Agent": USER_AGENT, "Accept": "image/*"},
        check_status,
        timeout=timeout,
        max_bytes=max_bytes,
        max_seconds=max_seconds,
        allow_private=allow_private,
    )
