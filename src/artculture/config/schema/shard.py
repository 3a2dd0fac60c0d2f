"""The typed schema of `conf/shard.yaml`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from artculture.config.schema.data import Data, data_contradictions
from artculture.config.schema.section import Section
from artculture.config.typed_text import UserPath


class ShardConfig(Section):
    data: Data
    shards: UserPath
    pictures: PositiveInt
    shorter_side: Annotated[int, Field(ge=32)] | None
    quality: Annotated[int, Field(ge=1, le=100)]
    workers: Literal["auto"] | PositiveInt
    verify: bool
    seed: Annotated[int, Field(ge=0, lt=2**31)]

    def contradictions(self) -> Iterator[tuple[str, str]]:
        yield from data_contradictions(self.data)
        if self.data.name == "embeddings":
            yield "data", "is embeddings, which have no pictures; give pictures, as in data=folder data.root=…"
        if self.data.name == "hub":
            yield "data", "is hub, which is parquet already; train on it as it is, or shard a folder of pictures"
        if self.data.name == "shards":
            yield "data", "is shards already; give what they are to be made of, as in data=folder data.root=…"
