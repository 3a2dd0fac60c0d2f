"""Small collections for the curation tests, drawn by numbers."""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image, ImageDraw, ImageFont

from artculture.collection.curation.config import CurateConfig
from artculture.collection.curation.image_stats import ImageStats
from artculture.config.validation import config_folder
from artculture.data.manifest import Manifest, write_manifest


def config(**changes: Any) -> CurateConfig:
    values = yaml.safe_load((config_folder() / "curate.yaml").read_text())
    del values["defaults"], values["hydra"]
    return CurateConfig.model_validate({**values, **changes})


def painting(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """Soft coloured blobs, different for each seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def text_page(columns: bool = False) -> Image.Image:
    page = Image.new("RGB", (480, 640), (228, 214, 180))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(22)
    for line in range(40, 600, 33):
        for letter in range(40, 600, 17):
            place = (line, letter) if columns else (letter, line)
            if place[0] < 440:
                draw.text(place, "AEHKMRSXZ"[(line * 7 + letter) % 9], fill=(40, 30, 25), font=font)
    return page


def encoded(image: Image.Image, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind, quality=90)
    return file.getvalue()


def stats(**changes: Any) -> ImageStats:
    values = {
        "sha256": "", "width": 400, "height": 300, "phash": "0123456789abcdef", "signature": bytes(range(256)),
        "chroma": 12.0, "text": 0.1, "thumbnail": b"",
    }  # fmt: skip
    return ImageStats(**{**values, **changes})


def table(*rows: dict[str, str]) -> pd.DataFrame:
    """A manifest's table: each row only says what matters to the test."""
    full = [
        {
            "object_id": f"{number}",
            "source": "met",
            "image": f"images/{number}.jpg",
            "culture": "French",
            "title": f"Painting {number}",
            "licence": "CC0",
            **row,
        }
        for number, row in enumerate(rows, start=1)
    ]
    columns = {"artist": "", "date": "", "medium": "", "accession_number": "", "group": "", "object_url": ""}
    return pd.DataFrame(full).assign(**{c: pd.DataFrame(full).get(c, v) for c, v in columns.items()}).fillna("")


def collection(root: Path, *rows: dict[str, str], images: dict[int, bytes] | None = None) -> Manifest:
    """A fetched collection on disk; `images` replaces the pictures of some rows, counted from 1."""
    full = table(*rows)
    (root / "images").mkdir(parents=True)
    hashes = []
    for number, image in enumerate(full["image"], start=1):
        content = (images or {}).get(number) or encoded(painting(number))
        (root / image).write_bytes(content)
        hashes.append(hashlib.sha256(content).hexdigest())
    manifest = Manifest(root, full.assign(sha256=hashes))
    write_manifest(manifest)
    return manifest
