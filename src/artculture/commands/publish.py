"""`artculture publish`: a run's model with its card to the Hugging Face Hub."""

import sys
from pathlib import Path

from artculture.config.composition import run_app
from artculture.config.schema.checkpoint_commands import PublishConfig
from artculture.utils.visible_text import visible


def run(argv: list[str]) -> int:
    return run_app("publish", PublishConfig, publish, argv)


def publish(config: PublishConfig) -> int:
    # torch is imported after the config is validated, so that help and errors appear at once.
    from artculture.serving.card_facts import card_facts
    from artculture.serving.publish import FILES, check_repo, upload, write_folder
    from artculture.training.checkpoint_source import checkpoint_file
    from artculture.utils.outputs import output_folder

    check_repo(config.repo)
    given = config.output
    output = output_folder(given, overwrite=config.overwrite, replaces=FILES) if given else None
    checkpoint = checkpoint_file(config.checkpoint)
    facts = card_facts(checkpoint, config.license, config.repo, config.trust)
    folder: Path = write_folder(checkpoint, facts, output or checkpoint.parent.parent / "published")
    sys.stdout.write(visible(f"{folder}\n"))
    if not config.dry_run:
        address = upload(folder, config.repo, private=config.private, tag=config.tag, message=config.message)
        sys.stdout.write(visible(f"{address}\n"))
    return 0
