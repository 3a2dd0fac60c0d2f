"""Museums: one module for each source, with a subclass of `fetching.museum.Museum` that `_target_` names."""
