"""All that feature vectors and predictions alone tell about cultures, in the report's order."""

import pandas as pd

from artculture.analysis.chord import chord_finding
from artculture.analysis.confusion import confusion_finding
from artculture.analysis.culture_graph import graph_finding
from artculture.analysis.distance_matrix import distance_finding
from artculture.analysis.distances import culture_distances
from artculture.analysis.finding import Finding
from artculture.analysis.geography import geography_finding
from artculture.analysis.painting_map import Picture, map_finding
from artculture.analysis.recalls import recalls_finding
from artculture.analysis.regions import regions_finding
from artculture.analysis.reliability import reliability_finding
from artculture.analysis.subject import Featurised


def culture_findings(
    featurised: Featurised, about: pd.DataFrame, picture: Picture | None = None, seed: int = 0
) -> list[Finding]:
    """Distances, graph, chords, geography, regions, recall, confusion, reliability and the map of paintings.

    What can't be said of these data is a finding without a figure whose caption says why.

    Args:
        featurised: all paintings, every split.
        about: `object_id`, `title`, `artist`, `date` and `culture` of each, in the same order.
        picture: pixels (H x W x 3, uint8) of a position, for the map's page.
        seed: of everything random.
    """
    # Lengths of a fine-tuned network's vectors differ tenfold and say little about style: only directions are compared.
    directions = featurised.unit()
    found = culture_distances(directions)
    return [
        distance_finding(found),
        graph_finding(found, seed),
        chord_finding(found),
        geography_finding(found, seed),
        regions_finding(directions, seed),
        recalls_finding(featurised, seed),
        confusion_finding(featurised),
        reliability_finding(featurised, seed),
        map_finding(featurised, about, picture, seed),
    ]
