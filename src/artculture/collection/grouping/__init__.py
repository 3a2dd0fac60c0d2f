"""Groups of related paintings, which no split divides."""
