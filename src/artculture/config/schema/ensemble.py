"""The schema of the command `ensemble`."""

from typing import Annotated, Literal

from pydantic import PositiveInt

from artculture.config.schema.checkpoint_commands import Device, Trusted
from artculture.config.schema.section import Section
from artculture.config.schema.train import Study
from artculture.config.typed_text import AsTyped

EnsembleKind = Literal["mean", "greedy", "soup"]
EnsembleMetric = Literal["top1", "macro_recall", "loss"]


class EnsembleConfig(Section):
    """Config of `artculture ensemble`.

    Attributes:
        members: names of runs, or patterns of them; None for all finished runs.
        metric: what a greedy choice maximises on the validation split; of `loss` the negative.
        rounds: additions of `kind=greedy`.
    """

    study: Study
    kind: EnsembleKind
    members: Annotated[str | list[str] | None, AsTyped()]
    metric: EnsembleMetric
    rounds: PositiveInt
    device: Device
    trust: Trusted
