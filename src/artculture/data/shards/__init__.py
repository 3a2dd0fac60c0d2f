"""Data larger than one disk: images in shards, in a folder or an object store, with a bounded local cache."""
