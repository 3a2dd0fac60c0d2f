"""Region and geographic location of the cultures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OTHER = "other"
EARTH_RADIUS = 6371.0088  # km, mean radius (IUGG)


@dataclass(frozen=True)
class CultureLocation:
    """Region of a culture, and the present capital of its country with coordinates in degrees."""

    region: str
    city: str
    north: float
    east: float


# Coordinates: GeoNames (geonames.org, CC BY 4.0), rounded to 0.01 degrees, about 1 km.
CULTURE_LOCATIONS = {
    "American": CultureLocation("North American", "Washington", 38.90, -77.04),
    "British": CultureLocation("European", "London", 51.51, -0.13),
    "Chinese": CultureLocation("Asian", "Beijing", 39.91, 116.40),
    "Dutch": CultureLocation("European", "Amsterdam", 52.37, 4.89),
    "Flemish": CultureLocation("European", "Brussels", 50.85, 4.35),
    "French": CultureLocation("European", "Paris", 48.85, 2.35),
    "German": CultureLocation("European", "Berlin", 52.52, 13.41),
    "Indian": CultureLocation("Asian", "New Delhi", 28.64, 77.22),
    "Italian": CultureLocation("European", "Rome", 41.89, 12.51),
    "Japanese": CultureLocation("Asian", "Tokyo", 35.69, 139.69),
    "Spanish": CultureLocation("European", "Madrid", 40.42, -3.70),
}


def region_of(culture: str) -> str:
    """Return the region of a culture; `other` for a culture that is not in the table."""
    location = CULTURE_LOCATIONS.get(culture)
    return location.region if location else OTHER


def great_circle(cultures: Sequence[str]) -> NDArray[np.float64]:
    """Return great-circle distances in km (haversine formula), a symmetric float64 C x C matrix.

    Raises:
        KeyError: a culture is not in the table.
    """
    north, east = np.radians([[CULTURE_LOCATIONS[c].north, CULTURE_LOCATIONS[c].east] for c in cultures]).T
    rise = np.sin((north[:, None] - north) / 2) ** 2
    turn = np.cos(north[:, None]) * np.cos(north) * np.sin((east[:, None] - east) / 2) ** 2
    kilometres: NDArray[np.float64] = 2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.clip(rise + turn, 0, 1)))
    return kilometres


def by_region(cultures: Sequence[str]) -> list[int]:
    """Return positions of the cultures grouped by region, otherwise in the given order."""
    order = ["Asian", "European", "North American", OTHER]
    return sorted(range(len(cultures)), key=lambda i: order.index(region_of(cultures[i])))
