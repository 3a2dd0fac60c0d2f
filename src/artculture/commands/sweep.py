"""`artculture sweep init`: write the YAML of a W&B sweep that trains with `artculture train`."""

import shlex
import sys

from artculture.commands.search import mergeable
from artculture.config.composition import config_flags, run_app
from artculture.config.typed_text import quoted, typed_keys
from artculture.studies.search.wandb_sweep import SweepConfig
from artculture.utils.errors import InputError
from artculture.utils.visible_text import visible

INIT = "init"


def run(argv: list[str]) -> int:
    words = [text for text in argv if text != INIT]
    if INIT not in argv and not {"-h", "--help"} & set(argv):
        raise InputError("artculture sweep has one action: artculture sweep init [group=option] [key=value]")
    words = [mergeable(text) for text in quoted(words, list(typed_keys(SweepConfig)))]
    # A study provides its name only.
    return run_app("sweep", SweepConfig, init, [*words, *([] if {"-h", "--help"} & set(argv) else ["hydra.mode=RUN"])])


def init(config: SweepConfig) -> int:
    import yaml
    from hydra.core.hydra_config import HydraConfig

    from artculture.studies.search.config import train_overrides
    from artculture.studies.search.wandb_sweep import sweep_file, sweep_of
    from artculture.utils.io import write_text
    from artculture.utils.outputs import output_file

    typed = train_overrides(HydraConfig.get().overrides.task)
    sweep = sweep_of(config, typed, config_flags())
    file = output_file(
        config.sweep.output or str(sweep_file(config)), overwrite=config.sweep.overwrite, key="sweep.output"
    )
    write_text(file, yaml.safe_dump(sweep, sort_keys=False, allow_unicode=True))
    next_steps = f"wandb sweep {shlex.quote(str(file))}   # prints the command `wandb agent …`, for this folder"
    sys.stdout.write(visible(f"{file}\n{next_steps}\n"))
    return 0
