"""Values found by trials: what is searched, by which trials, and what came of it."""
