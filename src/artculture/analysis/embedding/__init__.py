"""Embeddings of paintings, their nearest neighbours and a map of all paintings."""
