"""Curation of a fetched collection: flags, review page, exclusions, dataset card."""
