"""All that feature vectors and predictions alone tell about cultures, in the report's order."""

import pandas as pd

from artculture.analysis.embedding.painting_map import Picture, map_finding
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


def culture_findings(
    embeddings: Embeddings, about: pd.DataFrame, picture: Picture | None = None, seed: int = 0
) -> list[Finding]:
    """Distances, graph, chords, geography, regions, recall, confusion, reliability and the map of paintings.

    What can't be said of these data is a finding without a figure whose caption says why.

    Args:
        embeddings: all paintings, every split.
        about: `object_id`, `title`, `artist`, `date` and `culture` of each, in the same order.
        picture: pixels (H x W x 3, uint8) of a position, for the map's page.
        seed: of everything random.
    """
    # Lengths of a fine-tuned network's vectors differ tenfold and say little about style: only directions are compared.
    directions = embeddings.unit()
    found = culture_distances(directions)
    return [
        distance_finding(found),
        graph_finding(found, seed),
        chord_finding(found),
        geography_finding(found, seed),
        regions_finding(directions, seed),
        recalls_finding(embeddings, seed),
        confusion_finding(embeddings),
        reliability_finding(embeddings, seed),
        map_finding(embeddings, about, picture, seed),
    ]
