"""`artculture card`: the model card of a run."""

import sys
from pathlib import Path

from artculture.config.composition import run_app
from artculture.config.schema.checkpoint_commands import CardConfig
from artculture.utils.visible_text import visible


def run(argv: list[str]) -> int:
    return run_app("card", CardConfig, write_card, argv)


def write_card(config: CardConfig) -> int:
    # torch is imported after the config is validated, so that help and errors appear at once.
    from artculture.serving.card_facts import card_facts
    from artculture.serving.model_card import model_card
    from artculture.serving.publish import check_repo
    from artculture.training.checkpoint_source import checkpoint_file
    from artculture.utils.io import write_text
    from artculture.utils.outputs import output_file

    if config.repo is not None:
        check_repo(config.repo)
    output = output_file(config.output, overwrite=config.overwrite) if config.output else None
    checkpoint = checkpoint_file(config.checkpoint)
    facts = card_facts(checkpoint, config.license, config.repo, config.trust)
    path: Path = output or checkpoint.parent.parent / "model_card.md"
    write_text(path, model_card(facts))
    sys.stdout.write(visible(f"{path}\n"))
    return 0
