"""Vectors that a museum publishes of its pictures, in place of the pictures: `data=embeddings`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EmbeddingChoice:
    """Which embeddings: their file or folder, and the model; None where there is one alone."""

    path: str
    model: str | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "EmbeddingChoice":
        """Return the choice in a config's `data`."""
        return cls(str(data["path"]), data.get("model"))
