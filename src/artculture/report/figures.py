"""Findings of an analysis for the report: embedded figures, formatted numbers, links to the data."""

import io
import math
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from artculture.analysis.figure import FINDINGS_FORMAT, INDEX
from artculture.analysis.number_words import number_words
from artculture.utils.errors import InputError
from artculture.utils.io import read_json

# Prefix of the contact sheets that `analyze` writes, one per culture.
MAPS = "feature_maps_"
# Prefixes of the findings that are sheets of pictures, and the ratio of width to height from which a figure is wide.
SHEETS = ("feature_maps", "neighbours")
WIDE = 1.6
# Findings that the report shows unfolded, on a screen; on paper all are.
OPEN = ("painting_map",)
# Bytes above which a PNG is scaled down before it is embedded.
LARGE_FIGURE = 250_000
MAX_WIDTH = 1600
# Bytes above which an interactive page is linked instead of embedded, so that phones can open the report.
MAX_PAGE = 6_000_000
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# Up to this many colours an image is a drawing and compressed without loss; contact sheets of paintings have more.
DRAWING_COLOURS = 20_000


@dataclass(frozen=True)
class Picture:
    """An embeddable figure; `width` and `height` are in pixels, 0 if unknown."""

    kind: str
    content: bytes
    width: int
    height: int

    @property
    def data_uri(self) -> str:
        return f"data:{self.kind};base64,{b64encode(self.content).decode()}"


@dataclass(frozen=True)
class ShownFinding:
    """One entry of `analysis.json`.

    Attributes:
        numbers: (label, formatted value).
        figure: path of the figure's file; None if there is no figure.
        tables: paths of the data files.
        page: HTML of the interactive page; None if there is none or it is too large to embed.
        page_file: path of the interactive page; None if there is none.
    """

    name: str
    title: str
    caption: str
    alt: str
    numbers: list[tuple[str, str]]
    picture: Picture | None
    figure: Path | None
    tables: list[Path]
    page: str | None
    page_file: Path | None

    @property
    def is_map(self) -> bool:
        return self.name.startswith(MAPS)

    @property
    def is_sheet(self) -> bool:
        """Whether it is a tall sheet of pictures with words of its own."""
        return self.name.startswith("neighbours")

    @property
    def is_wide(self) -> bool:
        """Whether the figure needs the page's whole width, and scrolls on a phone."""
        shape = self.picture and self.picture.width > WIDE * self.picture.height > 0
        return bool(shape) or self.name.startswith(SHEETS)

    @property
    def is_open(self) -> bool:
        """Whether the report shows it unfolded."""
        return self.name in OPEN


@dataclass(frozen=True)
class Analysis:
    about: dict[str, Any]
    findings: list[ShownFinding]

    def groups(self) -> Iterator[list[ShownFinding]]:
        """Yield the findings in order as groups of one, with all contact sheets of feature maps in one group."""
        maps = [finding for finding in self.findings if finding.is_map]
        for finding in self.findings:
            if not finding.is_map:
                yield [finding]
            elif finding is maps[0]:
                yield maps


def read_analysis(folder: Path) -> Analysis:
    """Read an analysis folder.

    Raises:
        InputError: its index has another format, or names files that do not exist.
    """
    index = folder / INDEX
    content = read_json(index)
    if content.get("format") != FINDINGS_FORMAT:
        raise InputError(
            f"{index} has the format {content.get('format')}, not {FINDINGS_FORMAT}: run `artculture analyze` again"
        )
    try:
        findings = [_shown(folder, entry) for entry in content["findings"]]
    except (KeyError, TypeError, AttributeError, OSError) as error:
        raise InputError(f"{index} is incomplete ({error}): run `artculture analyze` again") from error
    return Analysis(dict(content.get("about", {})), findings)


def _shown(folder: Path, entry: dict[str, Any]) -> ShownFinding:
    png, svg, page = (_file(folder, entry.get(key)) for key in ("png", "svg", "page"))
    tables = [_file(folder, name) for name in entry.get("tables", [])]
    text = page.read_text(encoding="utf-8") if page and page.stat().st_size <= MAX_PAGE else None
    return ShownFinding(
        str(entry["name"]),
        str(entry["title"]),
        str(entry["caption"]),
        str(entry.get("alt") or entry["title"]),
        list(formatted_numbers(entry.get("numbers", {}))),
        picture(png, svg),
        png or svg,
        [table for table in tables if table],
        text,
        page,
    )


def _file(folder: Path, name: Any) -> Path | None:
    if not name:
        return None
    if Path(str(name)).name != name:
        raise InputError(f"{folder / INDEX} names {name}, which is not a file of its folder")
    path = folder / str(name)
    if not path.is_file():
        raise InputError(f"{path} is missing: run `artculture analyze` again")
    return path


def picture(png: Path | None, svg: Path | None) -> Picture | None:
    """Return the smaller of the two files for embedding; a large PNG is scaled down first."""
    size = (0, 0)
    candidates: list[tuple[str, bytes]] = []
    if png is not None:
        content, size = _smaller(png)
        candidates.append(content)
    if svg is not None:
        candidates.append(("image/svg+xml", svg.read_bytes()))
    if not candidates:
        return None
    kind, data = min(candidates, key=lambda candidate: len(candidate[1]))
    return Picture(kind, data, *size)


def _smaller(path: Path) -> tuple[tuple[str, bytes], tuple[int, int]]:
    """Return MIME type, content and size in pixels of a PNG; a large file becomes WebP of the page's width."""
    with Image.open(path) as image:
        size = image.size
        original = path.read_bytes()
        if len(original) <= LARGE_FIGURE:
            return ("image/png", original), size
        small = image.convert("RGB")
    options = {"lossless": True} if small.getcolors(DRAWING_COLOURS) else {"quality": 82}
    small.thumbnail((MAX_WIDTH, 4 * MAX_WIDTH), Image.Resampling.LANCZOS)
    with io.BytesIO() as file:
        small.save(file, "WEBP", **options)
        return ("image/webp", file.getvalue()), small.size


def formatted_numbers(numbers: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield label and formatted value of each number; the label of a nested one has its path."""
    for key, value in numbers.items():
        label = prefix + number_words(str(key))
        if isinstance(value, dict):
            yield from formatted_numbers(value, f"{label}: ")
        elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
            yield label, "; ".join(_formatted(item) for item in value)
        else:
            yield label, _formatted(value)


def _formatted(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{number_words(str(key))} {_formatted(item)}" for key, item in value.items())
    if isinstance(value, list):
        pair = len(value) == 2 and all(isinstance(item, float) for item in value)
        items = [_formatted(item) for item in value]
        return f"{items[0]} to {items[1]}" if pair else ", ".join(items) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return _number(value) if isinstance(value, (int, float)) else str(value)


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if abs(value) >= 10_000 else str(value)
    if not math.isfinite(value):
        return "none"
    text = f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 1000 else f"{value:.0f}"
    # 1.2e-05 becomes 1.2 × 10⁻⁵
    mantissa, _, exponent = text.partition("e")
    if exponent:
        text = f"{mantissa} \N{MULTIPLICATION SIGN} 10{str(int(exponent)).translate(RAISED)}"
    return text.replace("-", "\N{MINUS SIGN}")
