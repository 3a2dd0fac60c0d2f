"""The group `launcher`: where the runs of a study are executed."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, Tag

from artculture.config.schema.nodes import BY_NAME_OR_TARGET, UserNode
from artculture.config.schema.section import Section


class LocalProcesses(Section):
    name: Literal["local"]
    parallel: Literal["auto"] | PositiveInt


class Resources(Section):
    """What a run asks for, where a batch system hands out resources."""

    name: str
    parallel: Literal["auto"] | PositiveInt
    gpus: Literal["auto"] | NonNegativeInt
    cpus: PositiveInt
    memory_gb: PositiveFloat | None


class Slurm(Resources):
    name: Literal["slurm"]
    cluster: Literal["slurm", "local"]
    minutes: PositiveInt
    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    setup: list[str]
    options: dict[str, str | int | bool]
    requeue: bool
    max_timeouts: NonNegativeInt
    signal_seconds: Annotated[int, Field(ge=30)]
    on_interrupt: Literal["leave", "cancel"]


class Ray(Resources):
    name: Literal["ray"]
    address: str
    retries: NonNegativeInt


Launcher = Annotated[
    Annotated[LocalProcesses, Tag("local")] | Annotated[Slurm, Tag("slurm")] | Annotated[Ray, Tag("ray")] | UserNode,
    BY_NAME_OR_TARGET,
]


def launcher_contradictions(launcher: Launcher, accelerator: str) -> Iterator[tuple[str, str]]:
    if accelerator == "gpu" and isinstance(launcher, Resources) and launcher.gpus == 0:
        yield "launcher.gpus", "is 0, but trainer.accelerator=gpu: ask for a GPU or use trainer=cpu"
    if isinstance(launcher, Slurm) and launcher.signal_seconds >= 60 * launcher.minutes:
        yield "launcher.signal_seconds", f"is {launcher.signal_seconds}, longer than the whole job (launcher.minutes)"
