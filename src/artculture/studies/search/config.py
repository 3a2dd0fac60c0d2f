"""Schema of conf/search.yaml: the config of a run and the settings of the search."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt

from artculture.config.schema.section import Section
from artculture.config.schema.train import TrainConfig
from artculture.studies.search.space import space_mistakes


class Search(Section):
    """Settings of the search: sampler, pruner and search space."""

    name: Literal["optuna"]
    trials: PositiveInt
    sampler: Literal["tpe", "random"]
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    startup_trials: PositiveInt
    pruner: Literal["median", "hyperband", "none"]
    warmup_epochs: Annotated[int, Field(ge=0)]
    keep_checkpoints: Literal["best", "all"]
    space: dict[str, Any]


class SearchConfig(TrainConfig):
    """Config of a run and of the search over its values."""

    search: Search

    def contradictions(self) -> Iterator[tuple[str, str]]:
        yield from super().contradictions()
        yield from (
            (f"search.space.{key}", what) for key, what in space_mistakes(self.search.space, self.train_config())
        )
        if self.plan:
            yield "plan", "is an option of `artculture train`; the trials of a search are not known in advance"
        if self.resume not in ("auto", "never", "must"):
            yield "resume", "is auto, never or must in a search: a checkpoint belongs to one run"

    def train_config(self) -> TrainConfig:
        """Return the config of the run whose values are searched."""
        return TrainConfig.model_construct(**{name: getattr(self, name) for name in TrainConfig.model_fields})


def train_overrides(task: Sequence[str]) -> list[str]:
    """Return the overrides of a search, or of a sweep, that apply to its trials."""
    own = ("search", "sweep", "resume")
    return [text for text in task if text.lstrip("+~").split("=")[0].split(".")[0].split("@")[0] not in own]
