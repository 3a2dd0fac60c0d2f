"""From museums to a manifest: clients, cultures, download, curation."""
