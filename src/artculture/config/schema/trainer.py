"""The group `trainer`."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from artculture.config.schema.marks import Mark
from artculture.config.schema.nodes import node_mistakes
from artculture.config.schema.section import Section
from artculture.utils.errors import choices_hint

# Arguments of lightning.Trainer that other keys of the config stand for.
SET_BY = {
    **{name: f"trainer.{name}" for name in ("accelerator", "devices", "num_nodes", "sync_batchnorm", "max_epochs")},
    **{name: f"trainer.{name}" for name in ("precision", "deterministic")},
    "gradient_clip_val": "trainer.gradient_clip",
    "callbacks": "the group `callbacks`",
    "logger": "the group `logger`",
    "strategy": "trainer.devices and trainer.num_nodes",
    "default_root_dir": "study.root and study.name",
    **dict.fromkeys(("plugins", "use_distributed_sampler"), "the program: a run resumes exactly by it"),
    "num_sanity_val_steps": "the program: a run's metrics begin with its first epoch",
    "enable_progress_bar": "the program, which shows a study's runs",
    "fast_dev_run": "the option debug=fast_dev_run, which also writes the run's files",
}


class Trainer(Section):
    accelerator: Annotated[Literal["auto", "cpu", "gpu", "mps"], Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    devices: Annotated[Literal["auto"] | PositiveInt, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    num_nodes: Annotated[Literal["auto"] | PositiveInt, Mark.CIRCUMSTANCE]
    sync_batchnorm: Annotated[bool, Mark.TRAINING]
    max_epochs: Annotated[PositiveInt, Mark.TRAINING]
    precision: Annotated[Literal["auto", 32, "32", "bf16-mixed", "16-mixed"], Mark.TRAINING]
    deterministic: bool | Literal["warn"]
    channels_last: Literal["auto"] | bool
    compile: Annotated[bool, Mark.TRAINING] = False  # as of runs that were stored before there was such a key
    threads: Annotated[Literal["auto"] | PositiveInt, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED] = "auto"  # likewise
    cuda_graphs: Annotated[bool, Mark.CIRCUMSTANCE] = True  # likewise
    gradient_clip: Annotated[PositiveFloat | None, Mark.TRAINING]
    ema: Annotated[Annotated[float, Field(gt=0, lt=1)] | None, Mark.TRAINING]
    early_stopping: Annotated[PositiveInt | None, Mark.TRAINING]
    monitor: Annotated[str, Mark.NOT_SEARCHED]
    eval_batches: PositiveInt
    evaluate_test: Annotated[bool, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    checkpoint_every_minutes: Annotated[PositiveFloat | None, Mark.CIRCUMSTANCE]
    checkpoint_every_steps: Annotated[PositiveInt | None, Mark.CIRCUMSTANCE]
    on_out_of_memory: Annotated[Literal["halve", "error"], Mark.CIRCUMSTANCE]
    extra: Annotated[dict[str, Any], Mark.TRAINING]


def extra_mistakes(extra: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not extra:
        return
    from inspect import signature

    from lightning import Trainer  # imported only where its arguments are used

    free = set(signature(Trainer.__init__).parameters) - {"self", *SET_BY}
    for name, value in extra.items():
        yield from node_mistakes(f"trainer.extra.{name}", value)
        if name in SET_BY:
            yield f"trainer.extra.{name}", f"is set by {SET_BY[name]}"
        elif name not in free:
            yield f"trainer.extra.{name}", f"is no argument of lightning.Trainer: {choices_hint(name, sorted(free))}"
