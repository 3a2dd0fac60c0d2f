"""Feature vectors of paintings: neighbours and the map of all paintings."""
