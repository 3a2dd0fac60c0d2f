"""`artculture index`: a feature index of paintings."""

import sys
from pathlib import Path

from artculture.config.composition import run_app
from artculture.config.schema.checkpoint_commands import IndexConfig
from artculture.utils.visible_text import visible

DEFAULT_ROOT = Path("outputs")


def run(argv: list[str]) -> int:
    return run_app("index", IndexConfig, index_paintings, argv)


def index_paintings(config: IndexConfig) -> int:
    # torch is imported after the config is validated, so that help and errors appear at once.
    from artculture.analysis.embedding.feature_index import FILES, check_approximate, write_index
    from artculture.analysis.embedding.features import compute_embeddings
    from artculture.analysis.loading import load_model_under_study
    from artculture.analysis.pipeline import default_folder
    from artculture.data.data_choice import DataChoice
    from artculture.utils.logging import configure_logging
    from artculture.utils.outputs import output_folder
    from artculture.utils.progress import shown_progress

    configure_logging()
    if config.approximate:
        check_approximate()
    given = config.output
    output = output_folder(given, overwrite=config.overwrite, replaces=FILES) if given else None
    data = None if config.data is None else DataChoice.of(config.data)
    with shown_progress("decoding pictures") as progress:
        model = load_model_under_study(config.checkpoint, data, progress, config.trust)
    folder = output or default_folder(model, data is None, DEFAULT_ROOT, "index")
    with shown_progress("computing features") as progress:
        embeddings = compute_embeddings(model, config.batch_size, config.device, progress)
    index = write_index(model, embeddings, config.split, folder, approximate=config.approximate)
    sys.stdout.write(visible(f"{len(index)} paintings, {index.facts['features']} features each\n{folder}\n"))
    return 0
