"""`artculture export`: a checkpoint as one file for other programs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from artculture.config.composition import run_app
from artculture.config.schema.checkpoint_commands import ExportConfig
from artculture.utils.visible_text import visible

if TYPE_CHECKING:
    from artculture.analysis.model_under_study import ModelUnderStudy
    from artculture.serving.export import Parity

DEFAULT_ROOT = Path("outputs")


def run(argv: list[str]) -> int:
    return run_app("export", ExportConfig, export_checkpoint, argv)


def export_checkpoint(config: ExportConfig) -> int:
    # torch is imported after the config is validated, so that help and errors appear at once.
    from artculture.analysis.loading import load_model_under_study
    from artculture.data.data_choice import DataChoice
    from artculture.serving import writers
    from artculture.serving.export import ExportSettings, export, record_of
    from artculture.utils.logging import configure_logging
    from artculture.utils.outputs import output_file
    from artculture.utils.progress import shown_progress

    configure_logging()
    if config.format == "onnx":
        writers.check_packages()
    output = output_file(config.output, overwrite=config.overwrite) if config.output else None
    _check_suffix(config, output)
    data = None if config.data is None else DataChoice.of(config.data)
    with shown_progress("decoding pictures") as progress:
        model = load_model_under_study(config.checkpoint, data, progress, config.trust)
    path = output or _default_file(model, config)
    settings = ExportSettings(
        config.format,
        config.precision,
        config.quantization,
        config.calibration,
        config.pictures,
        config.agreement,
        config.license,
    )
    _, parity = export(model, settings, path)
    sys.stdout.write(visible("\n".join([_summary(path, parity), str(path), str(record_of(path))])) + "\n")
    return 0


def _check_suffix(config: ExportConfig, output: Path | None) -> None:
    from artculture.serving.export import SUFFIXES
    from artculture.utils.errors import InputError

    suffix = SUFFIXES[config.format]
    if output is not None and output.suffix != suffix:
        raise InputError(f"output={config.output}: a file of format={config.format} ends with {suffix}")


def _default_file(model: "ModelUnderStudy", config: ExportConfig) -> Path:
    from artculture.serving.export import SUFFIXES
    from artculture.training.checkpoint_source import checkpoint_label

    name = f"model-{config.precision}{SUFFIXES[config.format]}"
    if model.run is not None:
        return model.run.path / "export" / name
    return DEFAULT_ROOT / "exports" / checkpoint_label(model.checkpoint) / name


def _summary(path: Path, parity: "Parity") -> str:
    return (
        f"{path.stat().st_size / 1e6:.1f} MB. Same most probable class for {parity.same_top1} of {parity.pictures} "
        f"pictures, probabilities differ by at most {parity.largest_difference:.2g}; top-1 accuracy "
        f"{100 * parity.before['top1']:.1f} % before, {100 * parity.after['top1']:.1f} % after."
    )
