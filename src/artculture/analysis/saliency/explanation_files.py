"""Files of the explanations of single pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from artculture.analysis import plotting_style
from artculture.analysis.saliency.explain import draw_explanation, explain
from artculture.analysis.saliency.feature_maps import peak
from artculture.evaluation.inference import TorchModel
from artculture.utils.io import replacing

FILE = "explanations.json"
SHOWN = 3


class Explainer:
    """Writer of a sheet (PNG) and the maps (NPZ) of each picture.

    Args:
        model: the classifier.
        methods: of `explain.METHODS`; None for all that the network has.
        target: the culture that is explained; None for the most probable one.
        folder: for the files.
        smooth: interpolate the maps on the sheet between their cells.
    """

    def __init__(
        self,
        model: TorchModel,
        methods: Sequence[str] | None,
        target: str | None,
        folder: Path,
        *,
        smooth: bool = True,
    ) -> None:
        self.model, self.methods, self.target, self.folder = model, methods, target, folder
        self.smooth = smooth
        self._used: set[str] = set()

    def explain(self, path: Path) -> dict[str, Any]:
        """Write the files of a picture; return what they show, JSON values.

        Raises:
            BadImageError: it can't be decoded.
            InputError: the network has none of the methods.
        """
        image = self.model.prepare(path)[None]
        probabilities = self.model.probabilities(image)[0]
        classes = self.model.classes
        index = int(probabilities.argmax()) if self.target is None else classes.index(self.target)
        maps = {name: heat[0] for name, heat in self._maps(image, index).items()}
        stem = self._unique(path.stem[:50])
        title = f"{classes[index]} {100 * probabilities[index]:.0f} %"
        figure = draw_explanation(image[0].permute(1, 2, 0).numpy(), maps, title, smooth=self.smooth)
        with replacing(self.folder / f"{stem}.png") as temporary:
            plotting_style.save(figure, temporary, "png")
        with replacing(self.folder / f"{stem}.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, **maps)
        best = np.argsort(-probabilities, kind="stable")[:SHOWN]
        return {
            "image": str(path),
            "predictions": [{"culture": classes[i], "probability": float(probabilities[i])} for i in best],
            "target": classes[index],
            "sheet": f"{stem}.png",
            "maps": f"{stem}.npz",
            # From the top left of the crop that the network sees, as shares of its width and height.
            "peaks": {name: peak(heat) for name, heat in maps.items()},
        }

    def _maps(self, image: torch.Tensor, index: int) -> dict[str, Any]:
        return explain(self.model.classifier, image, torch.tensor([index]), self.methods)

    def _unique(self, stem: str) -> str:
        name, number = stem, 1
        while name in self._used:
            number += 1
            name = f"{stem}-{number}"
        self._used.add(name)
        return name
