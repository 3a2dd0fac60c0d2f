"""Safe reading of checkpoints, with a clear error where a file is not one of ours."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from artculture.models.backbones import EMBEDDINGS
from artculture.models.classifier import CHECKPOINT_FORMAT, CultureClassifier
from artculture.models.finite import check_weights_finite
from artculture.models.label_view import of_label
from artculture.models.lora import merged
from artculture.models.published import SUFFIX, read_published
from artculture.models.safe_loading import check_sums, load_safely
from artculture.models.tasks import temperatures_in
from artculture.models.tensor_files import save_whole
from artculture.models.uncertainty import UNCERTAINTY, Uncertainty, uncertainty_of
from artculture.utils.errors import InputError, choices_hint, reason_of
from artculture.utils.targets import foreign_targets, import_modules

# Key of an ensemble's hyperparameters; see `models.ensemble`.
MEMBERS = "members"
# Classes in label order, by label.
LabelClasses = Mapping[str, Sequence[str]]

# Suffixes of `artculture export`.
EXPORTED = (".onnx", ".pt2")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the content of one of our checkpoints, or of a published classifier; nothing in it is executed.

    Raises:
        InputError: no such file, not whole (`DamagedError`), not safe (`UnsafeError`), not written by artculture, or
            with weights that are not finite.
    """
    if not path.is_file():
        raise InputError(f"no checkpoint at {path}{_others(path)}")
    if path.suffix in EXPORTED:
        raise InputError(
            f"{path} is an exported file, which `predict` takes: give the checkpoint that it was made from"
        )
    content = read_published(path) if path.suffix == SUFFIX else _read_lightning(path)
    ours = content.get("artculture") if isinstance(content, dict) else None
    if not isinstance(ours, dict) or "hyper_parameters" not in content:
        raise InputError(f"{path} is no checkpoint of artculture (nothing of its classes and preprocessing in it)")
    if ours.get("format") != CHECKPOINT_FORMAT:
        raise InputError(f"{path} has format {ours.get('format')}, this version reads {CHECKPOINT_FORMAT}")
    if isinstance(content.get("state_dict"), dict):
        check_weights_finite(content["state_dict"], path)
    checked: dict[str, Any] = content
    return checked


def _read_lightning(path: Path) -> Any:
    content = load_safely(path, "can't be read safely as a checkpoint")
    # torch reads more than our checkpoints: its older form, and archives that were changed.
    check_sums(path)
    return content


def _others(path: Path) -> str:
    """Return a hint at the runs that may have been meant: those in a folder, or next to it."""
    run = path.parent.parent if path.parent.name == "checkpoints" else path
    if inside := _runs_of(run):
        return f": give one of its runs, {', '.join(inside[:6])}{' …' if len(inside) > 6 else ''}"
    siblings = _runs_of(run.parent)
    return f": {choices_hint(str(run), siblings)}" if siblings else ""


def _runs_of(study: Path) -> list[str]:
    return sorted(str(best.parents[1]) for best in study.glob("*/checkpoints/best.ckpt"))


def check_classes(
    content: dict[str, Any], path: Path, classes: Sequence[str], further: LabelClasses | None = None
) -> None:
    """Check that a checkpoint was trained for these classes, in this order.

    Args:
        content: of the checkpoint.
        path: of the file.
        classes: of the data, in label order.
        further: the same of its further labels, by name; None to check none of them.

    Raises:
        InputError: naming what differs.
    """
    said = content["artculture"]
    refuse_other_classes(said["classes"], path, classes)
    if further is not None:
        refuse_other_labels(further_classes(said), path, further)


def refuse_other_classes(theirs: Sequence[str], path: Path, classes: Sequence[str], name: str = "") -> None:
    """Check the classes of a label that a checkpoint was trained for, as `check_classes`."""
    if list(classes) != list(theirs):
        what = f"classes of {name}" if name else "classes"
        raise InputError(
            f"{path} was trained for {len(theirs)} {what} ({', '.join(theirs)}), the data has {len(classes)} "
            f"({', '.join(classes)}): take its data, or train again with resume=never"
        )


def further_classes(said: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the classes of all labels but the first, from what a checkpoint says under `artculture`."""
    return {label["name"]: tuple(label["classes"]) for label in said.get("labels", [])[1:]}


def refuse_other_labels(theirs: LabelClasses, path: Path, further: LabelClasses) -> None:
    """Check the further labels that a checkpoint was trained for, as `check_classes`."""
    if list(theirs) != list(further):
        raise InputError(
            f"{path} was trained for the further labels [{', '.join(theirs)}], this run for [{', '.join(further)}]: "
            "take the same data.labels, or train again with resume=never"
        )
    for name in theirs:
        refuse_other_classes(theirs[name], path, further[name], name)


def epochs_done(content: dict[str, Any]) -> tuple[int, int]:
    """Return the finished epochs of a checkpoint's training, and the finished batches of the next epoch."""
    states = (content[name] for name in ("PaintingsDataModule", "FeatureDataModule") if name in content)
    where = next(states, {"epoch": content["epoch"] + 1, "batches": 0})
    return where["epoch"], where["batches"]


def take_head(module: CultureClassifier, path: Path) -> None:
    """Load the head of one of our checkpoints into an untrained classifier.

    Raises:
        InputError: no checkpoint of ours, of other classes, or with another head.
    """
    content = read_checkpoint(path)
    theirs = content["artculture"]["classes"]
    asked = f"method.head=checkpoint: {path}"
    if list(theirs) != list(module.classes):
        raise InputError(
            f"{asked} was trained for {len(theirs)} classes ({', '.join(theirs)}), the data has {len(module.classes)} "
            f"({', '.join(module.classes)}): start with method.head=random"
        )
    refuse_other_labels(
        further_classes(content["artculture"]), path, {task.name: task.classes for task in module.tasks[1:]}
    )
    prefix = "network.head."
    state = {key.removeprefix(prefix): each for key, each in content["state_dict"].items() if key.startswith(prefix)}
    own = module.network.head.state_dict()
    if {key: each.shape for key, each in own.items()} != {key: each.shape for key, each in state.items()}:
        raise InputError(f"{asked} has another head: take the same options of `head`, or start with method.head=random")
    module.network.head.load_state_dict(state)
    module.start = replace(module.start, label=f"{module.start.label}, with its head")


def load_classifier(path: Path, trust: Sequence[str] = (), label: str | None = None) -> CultureClassifier:
    """Return the trained classifier of a checkpoint, in eval mode; of several labels that of one.

    Args:
        path: the file.
        trust: as of `load_all_labels`.
        label: name of the label; None for the primary one.

    Raises:
        InputError: as `load_all_labels`; or there is no such label.
    """
    module = load_all_labels(path, trust)
    return of_label(module, label or module.tasks[0].name)


def check_takes_pictures(classifier: CultureClassifier, path: Path) -> None:
    """Raise an InputError if a classifier takes embeddings in place of pictures."""
    if classifier.hyper["library"] == EMBEDDINGS:
        raise InputError(
            f"{path} takes embeddings of {classifier.hyper['backbone_options']['model'] or 'one model'}, not pictures: "
            "it can be evaluated and analysed, with data=embeddings data.path=… data.root=…"
        )


def load_all_labels(path: Path, trust: Sequence[str] = ()) -> CultureClassifier:
    """Return the trained classifier of a checkpoint with the heads of all its labels, in eval mode.

    Args:
        path: the file.
        trust: packages other than this one that the checkpoint may import, for a backbone or a loss of the user's own;
            they are imported, which registers models with timm.

    Raises:
        InputError: no such file, not one of ours, or it names a package that is not trusted.
    """
    content = read_checkpoint(path)
    if is_ensemble(content):
        raise InputError(
            f"{path} is an ensemble of several networks, and this needs a single one: give the checkpoint of one of "
            "its members, or of an ensemble with kind=soup"
        )
    return classifier_of(content, path, trust)


def is_ensemble(content: dict[str, Any]) -> bool:
    """Return whether the content of a checkpoint is an ensemble's."""
    values = content["hyper_parameters"]
    return isinstance(values, dict) and MEMBERS in values


def classifier_of(content: dict[str, Any], path: Path, trust: Sequence[str]) -> CultureClassifier:
    """Return the classifier in the content of a checkpoint, in eval mode; arguments and errors as `load_classifier`."""
    check_trusted(content["hyper_parameters"], path, trust)
    import_modules(trust)  # which may register a model that the checkpoint names with timm
    try:
        # What was adapted is a plain network from here on.
        module = CultureClassifier(**{**content["hyper_parameters"], "lora": None})
        module.load_state_dict(merged(content["state_dict"]))
    except InputError:
        raise
    except Exception as error:  # a file of the right form with anything in it
        raise InputError(f"{path} does not hold a classifier of this version ({reason_of(error)})") from error
    module.temperatures = temperatures_of(content, path)
    module.uncertainty = uncertainty_of(content, path, len(module.classes))
    return module.eval()


def check_trusted(values: Any, path: Path, trust: Sequence[str]) -> None:
    """Check that all code that stored values name is of this package or of trusted ones.

    Args:
        values: nested dicts and lists with nodes.
        path: the file that they are stored in.
        trust: packages or modules.

    Raises:
        InputError: it is not; nothing was imported.
    """
    if foreign := foreign_targets(values, trust):
        packages = sorted({name.partition(".")[0] for name in foreign})
        raise InputError(
            f"{path} names {', '.join(foreign)}, code that loading it would import and run: if you trust it, allow it "
            f"by trust=[{','.join(packages)}]"
        )


def temperatures_of(content: dict[str, Any], path: Path) -> list[float]:
    """Return what a checkpoint's logits of each label are divided by for calibrated probabilities.

    Raises:
        InputError: one of them is no positive number.
    """
    try:
        return temperatures_in(content["artculture"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def store_temperature(
    path: Path,
    temperature: float,
    further: Sequence[float] = (),
    uncertainty: Uncertainty | None = None,
    content: dict[str, Any] | None = None,
) -> None:
    """Write the temperature into a checkpoint; all else in it stays, and the file is never half-written.

    Args:
        path: of the file.
        temperature: of the primary label.
        further: of its further labels.
        uncertainty: scores of the validation paintings, of the primary label; None keeps what is there.
        content: of the file, where it was read before; it is changed.
    """
    content = read_checkpoint(path) if content is None else content
    said = content["artculture"]
    said["temperature"] = temperature
    for label, value in zip(said.get("labels", []), [temperature, *further], strict=False):
        label["temperature"] = value
    if uncertainty is not None:
        content[UNCERTAINTY] = uncertainty.as_tensors()
    save_whole(content, path)
