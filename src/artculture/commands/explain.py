"""`artculture explain`: what of a picture a prediction rests on."""

import sys
from pathlib import Path

from artculture.config.composition import run_app
from artculture.config.schema.checkpoint_commands import ExplainConfig
from artculture.utils.visible_text import visible


def run(argv: list[str]) -> int:
    return run_app("explain", ExplainConfig, explain_pictures, argv)


def explain_pictures(config: ExplainConfig) -> int:
    # torch is imported after the config is validated, so that help and errors appear at once.
    from artculture.analysis.fonts import fonts_for
    from artculture.analysis.saliency.explanation_files import FILE, Explainer
    from artculture.data.decoding import BadImageError
    from artculture.evaluation.image_sources import find_sources
    from artculture.evaluation.inference import TorchModel
    from artculture.models.checkpoint import check_takes_pictures, load_classifier
    from artculture.training.checkpoint_source import checkpoint_file
    from artculture.utils.errors import InputError, choices_hint
    from artculture.utils.io import write_json
    from artculture.utils.outputs import output_folder

    sources, _ = find_sources([config.image] if isinstance(config.image, str) else config.image)
    folder = output_folder(config.output, overwrite=config.overwrite)
    file = checkpoint_file(config.checkpoint)
    classifier = load_classifier(file, config.trust)
    check_takes_pictures(classifier, file)
    if config.target is not None and config.target not in classifier.classes:
        raise InputError(f"target={config.target}: {choices_hint(config.target, classifier.classes)}")
    model = TorchModel(classifier, config.device, str(file))
    explainer = Explainer(model, config.methods, config.target, folder, smooth=config.smooth)
    records, failed = [], 0
    with fonts_for(classifier.classes):
        for source in sources:
            try:
                if source.error or source.is_url:
                    raise BadImageError(source.error or "an address; download it first")
                records.append(explainer.explain(Path(source.name).expanduser()))
            except BadImageError as error:
                failed += 1
                sys.stderr.write(visible(f"artculture: {source.display_name}: {error}") + "\n")
    write_json(folder / FILE, {"checkpoint": file.name, "explanations": records})
    sys.stdout.write(visible(f"{len(records)} pictures\n{folder}\n"))
    return 1 if failed else 0
