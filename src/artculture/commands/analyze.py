"""`artculture analyze`: figures of a trained model, such as feature maps and distances between cultures."""

import sys
from pathlib import Path

from artculture.config.composition import run_app
from artculture.config.schema.checkpoint_commands import AnalyzeConfig
from artculture.utils.visible_text import visible

DEFAULT_ROOT = Path("outputs")


def run(argv: list[str]) -> int:
    return run_app("analyze", AnalyzeConfig, analyze, argv)


def analyze(config: AnalyzeConfig) -> int:
    # torch is imported after the config is validated, so that help and errors appear at once.
    from artculture.analysis.loading import assign_unseen_to_test, best_run, load_model_under_study
    from artculture.analysis.pipeline import default_folder, log_findings, make_findings
    from artculture.data.data_choice import DataChoice
    from artculture.utils.logging import configure_logging
    from artculture.utils.outputs import output_folder
    from artculture.utils.progress import shown_progress

    configure_logging()
    output = output_folder(config.output, overwrite=config.overwrite) if config.output else None
    study = Path(config.study.root) / (config.study.name or "")
    checkpoint = best_run(study) if config.checkpoint is None else config.checkpoint
    data = None if config.data is None else DataChoice.of(config.data)
    with shown_progress("decoding pictures") as progress:
        model = assign_unseen_to_test(load_model_under_study(checkpoint, data, progress, config.trust, config.label))
    folder = output or default_folder(model, data is None, DEFAULT_ROOT)
    with shown_progress("computing embeddings") as progress:
        settings = (config.sheets, config.smooth, config.batch_size, config.device, config.seed)
        index = make_findings(model, folder, *settings, progress)
    if config.log and data is None and model.run is not None:
        log_findings(model, index)
    sys.stdout.write(visible(f"{index}\n"))
    return 0
