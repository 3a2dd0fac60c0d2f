"""What all rows of a grid need, made once before the first one trains: pixels decoded, weights at hand."""

import logging
from collections.abc import Callable, Iterable

from artculture.data.paintings import load_paintings
from artculture.models.backbones import check_image_size, make_backbone, preprocessing_of
from artculture.models.weights import check_weights, load_start
from artculture.runs.grid import Row
from artculture.runs.parts import data_choice

log = logging.getLogger(__name__)


def prepare(rows: Iterable[Row], on_progress: Callable[[int, int], None] | None = None) -> None:
    """Read every data source and fetch every set of weights that the rows ask for, each once.

    Raises:
        InputError: data or weights that can't be had or have mistakes in them.
    """
    seen: set[str] = set()
    for row in rows:
        architecture, data = row.config.architecture, row.config.data
        check_weights(architecture.weights, architecture.library, architecture.name)
        preprocessing = preprocessing_of(architecture.name, architecture.library).at_size(data.image_size)
        key = f"{architecture.name} {preprocessing.image_size}"
        if key not in seen:
            seen.add(key)
            check_image_size(architecture.name, architecture.library, preprocessing.image_size)
        choice = data_choice(row.config)
        key = f"{choice} {preprocessing.resize} {preprocessing.interpolation}"
        if key not in seen:
            seen.add(key)
            load_paintings(choice, preprocessing.resize, preprocessing.interpolation, on_progress)
        key = f"{architecture.name} {architecture.weights}"
        # `auto` never fails, and random numbers need no fetching.
        wanted = architecture.weights not in ("auto", "none") and row.config.method.name != "scratch"
        if wanted and row.plan.checkpoint is None and key not in seen:
            seen.add(key)
            backbone = make_backbone(architecture.name, architecture.library)
            load_start(backbone, architecture.name, architecture.library, architecture.weights)
