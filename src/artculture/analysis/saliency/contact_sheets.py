"""Contact sheets of rightly and wrongly classified paintings with their saliency maps, one per culture."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from artculture.analysis.figure import Finding
from artculture.analysis.many_classes import are_many, largest
from artculture.analysis.model_under_study import Embeddings, ModelUnderStudy
from artculture.analysis.printable_text import printable
from artculture.analysis.saliency.contact_sheet_layout import SheetEntry, draw_overview, draw_sheet
from artculture.analysis.saliency.feature_maps import activation_heatmap, peak
from artculture.analysis.saliency.grad_cam import grad_cam
from artculture.analysis.saliency.last_feature_map import last_feature_maps
from artculture.data.transforms import eval_transform

# Images per forward pass, small enough for the activations of large networks.
BATCH_SIZE = 8

FEATURE_MAP = (
    "Feature map: the last map of the network, the magnitudes of its channels summed, rescaled to 0..1 per painting, "
    "overlaid on the crop that the network receives; bright areas have a high total activation. "
)
GRAD_CAM = (
    "Grad-CAM: the same map, its channels weighted by their gradients for the predicted culture; bright areas support "
    "that prediction. "
)


def contact_sheets(
    model: ModelUnderStudy, embeddings: Embeddings, per_culture: int = 3, *, smooth: bool = True
) -> Iterator[Finding]:
    """Yield an overview with one painting per culture and one sheet per culture.

    Of many cultures, those with the most wrongly predicted test paintings are shown.

    Only test paintings are shown: of each culture those with the most confident predictions, at most `per_culture`
    right ones and as many wrong ones; ties are ordered by object id.

    Args:
        model: classifier and paintings.
        embeddings: of the paintings, in the order of `model.paintings.selection`.
        per_culture: maximum number of right and of wrong paintings on a sheet.
        smooth: interpolate the maps between their cells; False shows the cells.

    Raises:
        InputError: the backbone has no spatial map.
    """
    chosen = {embeddings.classes[index]: most_confident(embeddings, index, per_culture) for index in _shown(embeddings)}
    positions = [int(position) for pair in chosen.values() for part in pair for position in part]
    shown = {one.position: one for one in _compute_entries(model, embeddings, positions, smooth=smooth)}
    sheets = {
        culture: ([shown[int(i)] for i in right], [shown[int(i)] for i in wrong])
        for culture, (right, wrong) in chosen.items()
    }
    slugs = _slugs(embeddings.classes)
    overview = {culture: next(iter([*right, *wrong]), None) for culture, (right, wrong) in sheets.items()}
    yield _overview(overview, len(embeddings.classes))
    for culture, (right, wrong) in sheets.items():
        yield _sheet(culture, slugs[culture], right, wrong)


def _shown(embeddings: Embeddings) -> Sequence[int]:
    """Return the cultures with a sheet."""
    count = len(embeddings.classes)
    if not are_many(embeddings.classes):
        return range(count)
    test = embeddings.members("test")
    wrong = test[embeddings.logits[test].argmax(axis=1) != embeddings.labels[test]]
    return largest(np.bincount(embeddings.labels[wrong], minlength=count))


def most_confident(embeddings: Embeddings, culture: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return positions of the test paintings of a culture with the most confident right and wrong predictions."""
    probabilities = embeddings.probabilities()
    members = embeddings.members("test")
    members = members[embeddings.labels[members] == culture]
    order = np.lexsort((embeddings.object_id[members], -probabilities[members].max(axis=1)))
    members = members[order]
    right = probabilities[members].argmax(axis=1) == culture
    return members[right][:count], members[~right][:count]


def _compute_entries(
    model: ModelUnderStudy, embeddings: Embeddings, positions: list[int], *, smooth: bool = True
) -> list[SheetEntry]:
    """Compute the saliency maps of the chosen paintings."""
    selection, cache = model.paintings.selection, model.paintings.cache
    crop = eval_transform(model.classifier.preprocessing)
    predicted = embeddings.probabilities().argmax(axis=1)
    shown = []
    for start in range(0, len(positions), BATCH_SIZE):
        batch = positions[start : start + BATCH_SIZE]
        images = [torch.tensor(cache.image(int(selection.rows[i]))).permute(2, 0, 1) for i in batch]
        crops = torch.stack([crop(image) for image in images])
        heats = activation_heatmap(last_feature_maps(model.classifier, crops))
        cams = grad_cam(model.classifier, crops, torch.from_numpy(predicted[batch]))
        for i, picture, feature_map, cam in zip(batch, crops, heats, cams, strict=True):
            facts = _facts(model, embeddings, i, feature_map, cam)
            shown.append(SheetEntry(i, picture.permute(1, 2, 0).numpy(), feature_map, cam, facts, smooth))
    return shown


def _facts(
    model: ModelUnderStudy, embeddings: Embeddings, i: int, feature_map: NDArray[np.float32], cam: NDArray[np.float32]
) -> dict[str, Any]:
    row = model.paintings.selection.manifest.table.iloc[i]
    probabilities = embeddings.probabilities()[i]
    label, predicted = int(embeddings.labels[i]), int(probabilities.argmax())
    (map_x, map_y), (cam_x, cam_y) = peak(feature_map), peak(cam)
    return {
        "object_id": str(embeddings.object_id[i]),
        **{column: "" if pd.isna(row[column]) else str(row[column]) for column in ("title", "artist", "date")},
        "culture": embeddings.classes[label],
        "predicted": embeddings.classes[predicted],
        "right": label == predicted,
        "probability": float(probabilities[predicted]),
        "probability_of_culture": float(probabilities[label]),
        "feature_map_peak_x": map_x,
        "feature_map_peak_y": map_y,
        "grad_cam_peak_x": cam_x,
        "grad_cam_peak_y": cam_y,
    }


def _overview(firsts: dict[str, SheetEntry | None], cultures: int) -> Finding:
    seen = [one.facts for one in firsts.values() if one is not None]
    cells, right = _cells(firsts.values()), sum(facts["right"] for facts in seen)
    chosen = "" if len(firsts) == cultures else f"Shown are the {len(firsts)} of {cultures} cultures with most errors. "
    return Finding(
        name="feature_maps",
        title="Feature maps: one painting per culture",
        caption="The test painting of each culture with the most confident right prediction (✓) or, if there is none, "
        f"the most confident wrong one (✗). {chosen}{FEATURE_MAP}{cells}".strip(),
        figure=draw_overview(firsts),
        tables={"feature_maps": pd.DataFrame(seen)},
        numbers={"shown": len(seen), "right": right, **_grid(firsts.values())},
        alt=f"{right} of {len(seen)} cultures have a test painting that is predicted right.",
    )


def _sheet(culture: str, slug: str, right: list[SheetEntry], wrong: list[SheetEntry]) -> Finding:
    name = printable(culture) or culture
    title = f"Feature maps: {name} paintings"
    numbers = {"right": len(right), "wrong": len(wrong)}
    if not right and not wrong:
        return Finding(slug, title, f"No {name} painting is in the test set.", numbers=numbers)
    shown = [*right, *wrong]
    missing = "" if right and wrong else f" No {name} test painting was predicted {'wrong' if right else 'right'}."
    return Finding(
        name=slug,
        title=title,
        caption="Test paintings of this culture with the most confident right (✓) and wrong (✗) predictions."
        f"{missing} From left to right: painting, feature map, Grad-CAM. {FEATURE_MAP}{GRAD_CAM}{_cells(shown)}",
        figure=draw_sheet(name, right, wrong),
        tables={slug: pd.DataFrame([one.facts for one in shown])},
        numbers=numbers,
        alt=_alt(name, right, wrong),
    )


def _alt(name: str, right: list[SheetEntry], wrong: list[SheetEntry]) -> str:
    parts = [f"{len(right)} {name} paintings that are predicted right"] if right else []
    if wrong:
        taken = Counter(one.facts["predicted"] for one in wrong)
        parts.append(f"{len(wrong)} taken for {', '.join(f'{culture} ({n})' for culture, n in taken.most_common())}")
    return ", and ".join(parts) + "."


def _grid(entries: Iterable[SheetEntry | None]) -> dict[str, int]:
    """Return the size of the network's maps."""
    shape = next((one.feature_map.shape for one in entries if one is not None), None)
    return {} if shape is None else {"map_rows": shape[0], "map_columns": shape[1]}


def _cells(entries: Iterable[SheetEntry | None]) -> str:
    """Return the sentence about the cells of the maps, and whether the pictures interpolate between them."""
    first = next((one for one in entries if one is not None), None)
    if first is None:
        return ""
    rows, columns = first.feature_map.shape
    text = f"The map itself has {rows} × {columns} cells, "
    if not first.smooth:
        return f"{text}which are shown as they are."
    return f"{text}between which these pictures interpolate (bicubic; smooth=false shows the cells)."


def _slugs(classes: tuple[str, ...]) -> dict[str, str]:
    """Return one ASCII file stem per culture; names with empty or equal stems get the number of the class."""
    # For example "Old Master" becomes "old_master".
    plain = [re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") for name in classes]
    return {
        name: "feature_maps_" + (slug if slug and plain.count(slug) == 1 else f"{slug}_{index}".strip("_"))
        for index, (name, slug) in enumerate(zip(classes, plain, strict=True))
    }
