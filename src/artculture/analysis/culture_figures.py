"""Findings that are computed from embeddings and predictions alone, in the order of the report."""

from collections.abc import Iterator

import pandas as pd

from artculture.analysis.embedding.painting_map import map_finding
from artculture.analysis.figure import Finding
from artculture.analysis.model_under_study import Embeddings
from artculture.analysis.performance.confusion import confusion_finding
from artculture.analysis.performance.recall import recalls_finding
from artculture.analysis.performance.reliability import reliability_finding
from artculture.analysis.similarity.chord import chord_finding
from artculture.analysis.similarity.culture_graph import graph_finding
from artculture.analysis.similarity.distance_matrix import distance_finding
from artculture.analysis.similarity.distances import culture_distances
from artculture.analysis.similarity.geography import geography_finding
from artculture.analysis.similarity.regions import regions_finding
from artculture.utils.thumbnails import Picture


def culture_findings(
    embeddings: Embeddings, about: pd.DataFrame, picture: Picture | None = None, seed: int = 0
) -> Iterator[Finding]:
    """Yield distances, graph, chords, geography, regions, recall, confusion, reliability and the map of paintings.

    Labels that are no cultures have neither geography nor regions. A finding that the data do not allow has no figure;
    its caption gives the reason.

    Args:
        embeddings: of all paintings of all splits.
        about: columns `object_id`, `title`, `artist`, `date` and `culture`, rows in the order of `embeddings`.
        picture: returns the pixels (uint8 H x W x 3) at a position, for the thumbnails of the map page.
        seed: of layouts, permutations and resampling.
    """
    # Norms of a fine-tuned network's vectors differ tenfold and say little about style: only directions are compared.
    directions = embeddings.unit()
    distances = culture_distances(directions)
    yield distance_finding(distances)
    yield graph_finding(distances, seed)
    yield chord_finding(distances)
    if embeddings.words.are_cultures:
        yield geography_finding(distances, seed)
        yield regions_finding(directions, seed)
    yield recalls_finding(embeddings, seed)
    yield confusion_finding(embeddings)
    yield reliability_finding(embeddings, seed)
    yield map_finding(embeddings, about, picture, seed)
