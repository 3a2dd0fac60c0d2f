"""`artculture audit`: rank likely label errors, outliers and near-duplicates with two labels."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from artculture.config.composition import run_app
from artculture.config.schema.checkpoint_commands import AuditConfig
from artculture.utils.visible_text import visible

if TYPE_CHECKING:
    from artculture.analysis.audit.audit import Audit

DEFAULT_ROOT = Path("outputs")


def run(argv: list[str]) -> int:
    return run_app("audit", AuditConfig, audit, argv)


def audit(config: AuditConfig) -> int:
    # torch is imported after the config is validated, so that help and errors appear at once.
    from artculture.analysis.audit.audit import FILES, audit_labels
    from artculture.analysis.embedding.features import compute_embeddings
    from artculture.analysis.loading import best_run, load_model_under_study
    from artculture.analysis.pipeline import default_folder
    from artculture.data.data_choice import DataChoice
    from artculture.utils.logging import configure_logging
    from artculture.utils.outputs import output_folder
    from artculture.utils.progress import shown_progress

    configure_logging()
    output = output_folder(config.output, overwrite=config.overwrite, replaces=FILES) if config.output else None
    study = Path(config.study.root) / (config.study.name or "")
    checkpoint = best_run(study) if config.checkpoint is None else config.checkpoint
    data = None if config.data is None else DataChoice.of(config.data)
    with shown_progress("decoding pictures") as progress:
        model = load_model_under_study(checkpoint, data, progress, config.trust)
    folder = output or default_folder(model, data is None, DEFAULT_ROOT, "audit")
    with shown_progress("computing embeddings") as progress:
        embeddings = compute_embeddings(model, config.batch_size, config.device, progress)
    with shown_progress("cross-validating") as progress:
        found = audit_labels(model, embeddings, config.folds, config.neighbours, config.seed, progress)
    files = found.write(folder)
    sys.stdout.write(visible("\n".join([_summary(found), *(f"  {path}" for path in files)]) + "\n"))
    return 0


def _summary(found: "Audit") -> str:
    likely, conflicts = int(found.labels["likely_error"].sum()), len(found.conflicts)
    return (
        f"{likely} of {len(found.labels)} labels may be wrong; {conflicts} pair(s) of near-duplicates have two labels. "
        "The most suspicious come first in each file."
    )
