"""Sanity check of saliency maps (Adebayo et al. 2018, arxiv.org/abs/1810.03292): do they change with the weights."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor, nn

from artculture.analysis.figure import Finding
from artculture.analysis.model_under_study import Embeddings, ModelUnderStudy
from artculture.analysis.plotting_style import new_figure
from artculture.analysis.saliency.explain import TITLES, explain
from artculture.analysis.saliency.rollout import attention_modules
from artculture.data.transforms import eval_transform
from artculture.models.classifier import CultureClassifier

# Test paintings, and steps from the head to the first layer.
PAINTINGS, STEPS = 12, 6
# Mean rank correlation below which a map counts as changed by random weights.
CHANGED = 0.5


def sanity_check(model: ModelUnderStudy, embeddings: Embeddings, seed: int = 0) -> Finding | None:
    """Compare maps of the trained network with those of the network whose layers are drawn at random, from the head on.

    Returns:
        The finding; None without test paintings.

    Raises:
        InputError: the backbone has no spatial map.
    """
    test = embeddings.members("test")
    if len(test) == 0:
        return None
    chosen = test[np.linspace(0, len(test) - 1, min(PAINTINGS, len(test))).round().astype(int)]
    crop, selection = eval_transform(model.classifier.preprocessing), model.paintings.selection
    pixels = [torch.tensor(model.paintings.cache.image(int(selection.rows[row]))).permute(2, 0, 1) for row in chosen]
    images = torch.stack([crop(image) for image in pixels])
    targets = torch.from_numpy(embeddings.logits[chosen].argmax(axis=1))
    methods = ["feature_map", "grad_cam", *(["rollout"] if attention_modules(model.classifier) else [])]
    table = similarity_to_random(model.classifier, images, targets, methods, seed)
    return _finding(table, len(chosen))


def similarity_to_random(
    classifier: CultureClassifier, images: Tensor, targets: Tensor, methods: Sequence[str], seed: int = 0
) -> pd.DataFrame:
    """Return how similar maps stay while more and more layers, from the last to the first, are drawn at random.

    Args:
        classifier: it is not changed.
        images: uint8 N x 3 x H x W.
        targets: class index per image, int64 N.
        methods: of `explain.METHODS`.
        seed: of the random weights.

    Returns:
        `method`, `layers` (share of the layers that are random), `down_to` (the first of them) and `similarity`, the
        mean Spearman correlation with the trained network's maps over the images; a constant map counts as 0.
    """
    original = explain(classifier, images, targets, methods)
    network = copy.deepcopy(classifier)
    layers = [(name, part) for name, part in network.network.named_modules() if _can_be_drawn(part)][::-1]
    bounds = np.unique(np.linspace(0, len(layers), STEPS + 1).round().astype(int))[1:]
    rows: list[dict[str, Any]] = []
    start = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for end in bounds.tolist():
            for _, part in layers[start:end]:
                part.reset_parameters()
            start = end
            maps = explain(network, images, targets, methods)
            facts = {"layers": end / len(layers), "down_to": layers[end - 1][0]}
            rows += [{"method": m, **facts, "similarity": _similarity(original[m], maps[m])} for m in methods]
    return pd.DataFrame(rows)


def _can_be_drawn(part: nn.Module) -> Any:
    return callable(getattr(part, "reset_parameters", None)) and any(True for _ in part.parameters(recurse=False))


def _similarity(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    values = [_correlation(one.ravel(), other.ravel()) for one, other in zip(before, after, strict=True)]
    return float(np.mean(values))


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    if not np.isfinite(other).all() or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)


def _finding(table: pd.DataFrame, count: int) -> Finding:
    last = table[table["layers"] == 1].set_index("method")["similarity"]
    figure = new_figure(5, 3.2)
    axis = figure.subplots()
    for method, part in table.groupby("method", sort=False):
        axis.plot([0, *part["layers"]], [1, *part["similarity"]], marker="o", label=TITLES[str(method)])
    axis.axhline(0, color="black", linewidth=0.5)
    axis.set_xlabel("share of layers with random weights, from the last on")
    axis.set_ylabel("rank correlation with the trained map")
    axis.legend()
    words = ", ".join(f"{TITLES[str(method)]} {value:.2f}" for method, value in last.items())
    unchanged = [TITLES[str(method)] for method, value in last.items() if value >= CHANGED]
    verdict = (
        f"Little changed: {', '.join(unchanged)}; such a map shows the picture more than what was learned."
        if unchanged
        else "All maps change with the weights, as maps of what was learned must."
    )
    caption = (
        f"Mean rank correlation of the maps of {count} test paintings with those of the same network after its layers "
        f"are drawn at random, from the last to the first (Adebayo et al. 2018). With all layers random: {words}. "
        f"{verdict} A feature map does not depend on the head, whose layers come first."
    )
    numbers = {f"similarity_{method}": float(value) for method, value in last.items()}
    alt = f"Rank correlation with the trained network's maps once all layers are random: {words}. {verdict}"
    return Finding(
        "saliency_sanity", "Sanity check of the maps", caption, figure, {"saliency_sanity": table}, numbers, alt=alt
    )
