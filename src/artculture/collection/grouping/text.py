"""Text normalization for comparing titles, names and keywords."""

import unicodedata


def fold_text(text: str) -> str:
    """Lower case without accents, so that `papier-mâché` and `Papier-mache` are one word."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()
