"""Paintings beyond one disk: pictures in shards, in a folder or an object store, and a bounded cache of them here."""
