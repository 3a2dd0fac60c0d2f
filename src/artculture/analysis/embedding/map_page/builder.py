"""Self-contained HTML page of the map: data, thumbnails, style and script inline."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.analysis.similarity.culture_colours import culture_colours
from artculture.utils.html_page import render_page, template_environment
from artculture.utils.thumbnails import Picture, thumbnails


@dataclass(frozen=True)
class MapPageData:
    """Content of the page.

    Attributes:
        table: as in painting_map.csv, one row per painting.
        classes: names in label order.
        regions: one per class.
        neighbours: positions of the nearest paintings, int64 N x k.
        fidelity: sentence that says how many neighbours the map preserves.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    regions: tuple[str, ...]
    neighbours: NDArray[np.int64]
    fidelity: str


def map_page(page_data: MapPageData, picture: Picture | None) -> str:
    """Return the page as HTML."""
    return render_page(
        template_environment(__package__),
        "page.html",
        style="page.css",
        scripts=["page.js"],
        fidelity=page_data.fidelity,
        data={**_data(page_data), "thumbnails": thumbnails(picture, len(page_data.table)) if picture else []},
    )


def _data(data: MapPageData) -> dict[str, Any]:
    places = data.table[["x", "y"]].to_numpy(dtype=np.float64)
    low, high = places.min(axis=0), places.max(axis=0)
    # Integers in thousandths of the longer side keep the file small; one scale for both axes keeps the aspect ratio.
    middle, length = (low + high) / 2, float((high - low).max()) or 1.0
    thousandths = ((places - middle) / length * 1000).round().astype(int)
    index = {name: label for label, name in enumerate(data.classes)}
    rows = zip(*(data.table[name] for name in ("title", "artist", "date", "culture", "predicted")), strict=True)
    paintings = [
        [int(x), -int(y), str(title), str(artist), str(date), index[culture], index[predicted]]
        for (x, y), (title, artist, date, culture, predicted) in zip(thousandths, rows, strict=True)
    ]
    return {
        "classes": list(data.classes),
        "colours": list(culture_colours(data.classes).values()),
        "regions": list(data.regions),
        "paintings": paintings,
        "percent": [f"{100 * probability:.1f}" for probability in data.table["probability"]],
        "splits": data.table["split"].tolist(),
        "neighbours": data.neighbours.tolist(),
    }
