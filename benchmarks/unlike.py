"""Which score tells pictures that are unlike the training paintings: AUROC of test paintings against other pictures.

    python -m benchmarks.unlike RUN [--others name=folder …] [--output benchmarks/results/unlike.md]

`RUN` is a run directory. Drawn pictures (noise, pages of text, charts, colour gradients, the synthetic sample) are
always there; `--others` adds folders of real ones.
"""

import argparse
import io
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.special import logsumexp, softmax
from sklearn.covariance import ledoit_wolf

from artculture.analysis.embedding.features import compute_embeddings
from artculture.analysis.loading import load_model_under_study
from artculture.analysis.model_under_study import Embeddings
from artculture.data.decoding import BadImageError
from artculture.data.image_files import find_pictures
from artculture.data.sample import make_sample
from artculture.evaluation.inference import TorchModel
from artculture.evaluation.uncertainty import typicality, unlike
from artculture.models.classifier import CultureClassifier

DRAWN, MOST, BATCH, NEIGHBOURS = 40, 150, 32, 5
RESAMPLES = 500
WORDS = ("the", "museum", "keeps", "many", "works", "by", "makers", "whose", "names", "are", "not", "known")

Picture = Path | bytes
Values = NDArray[np.float64]
Outputs = tuple[NDArray[np.float32], NDArray[np.float32]]
Score = Callable[[Outputs], Values]


def drawn_pictures(folder: Path) -> dict[str, list[Picture]]:
    """Return pictures that are no paintings, by kind, and those of the synthetic sample."""
    rng = np.random.default_rng(0)
    sample = make_sample(folder, per_culture=6)
    paths = sample.paths()[:: max(1, len(sample) // DRAWN)][:DRAWN]
    return {
        "noise": [_png(_noise(rng)) for _ in range(DRAWN)],
        "pages of text": [_png(_page(rng)) for _ in range(DRAWN)],
        "charts": list(_charts(rng)),
        "gradients": [_png(_gradient(rng)) for _ in range(DRAWN)],
        "synthetic sample": list(paths),
    }


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _noise(rng: np.random.Generator) -> Image.Image:
    grain = int(rng.choice([1, 4, 16]))
    pixels = rng.integers(0, 256, (320 // grain, 320 // grain, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((320, 320), Image.Resampling.NEAREST)


def _page(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (600, 800), tuple(int(level) for level in rng.integers(235, 256, 3)))
    font = ImageFont.load_default(size=int(rng.integers(12, 28)))
    draw = ImageDraw.Draw(image)
    for line in range(30, 770, 36):
        draw.text((30, line), " ".join(rng.choice(WORDS, 9)), fill=(20, 20, 20), font=font)
    return image


def _charts(rng: np.random.Generator) -> Iterator[bytes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for number in range(DRAWN):
        figure = Figure(figsize=(4, 4))
        axes = figure.subplots()
        if number % 3 == 0:
            axes.plot(rng.normal(size=(30, 3)).cumsum(axis=0))
        elif number % 3 == 1:
            axes.bar(range(8), rng.random(8))
        else:
            axes.imshow(rng.random((9, 9)))
        file = io.BytesIO()
        FigureCanvasAgg(figure).print_png(file)
        yield file.getvalue()


def _gradient(rng: np.random.Generator) -> Image.Image:
    first, last = rng.integers(0, 256, (2, 3))
    steps = np.linspace(0, 1, 320)[:, None, None]
    return Image.fromarray((first * (1 - steps) + last * steps + np.zeros((1, 320, 1))).astype(np.uint8))


def pictures_in(folder: Path) -> list[Picture]:
    """Return up to `MOST` picture files of a folder, spread over it."""
    paths = find_pictures(folder).pictures
    chosen = paths[:: max(1, -(-len(paths) // MOST))]
    return [folder / path for path in chosen]


def outputs_of(classifier: CultureClassifier, pictures: list[Picture]) -> Outputs:
    """Return features and logits of the pictures that can be read, prepared as `predict` does."""
    model = TorchModel(classifier, "cpu")
    prepared, found = [], []
    for picture in pictures:
        with suppress(BadImageError):
            prepared.append(model.prepare(picture))
    for start in range(0, len(prepared), BATCH):
        found.append(model.features_and_logits(torch.stack(prepared[start : start + BATCH])))
    features, logits = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    return features, logits


def scores(embeddings: Embeddings) -> dict[str, Score]:
    """Return the scores by name; a larger one is more unlike the training paintings."""
    training, labels = _part(embeddings, "train"), embeddings.labels[embeddings.members("train")]
    known = typicality(training[0], labels, len(embeddings.classes), _part(embeddings, "val")[0])
    units = _unit(training[0])
    means = np.stack([training[0][labels == number].mean(axis=0) for number in np.unique(labels)]).astype(np.float64)
    places = np.searchsorted(np.unique(labels), labels)
    precision = np.linalg.inv(ledoit_wolf(training[0] - means[places], assume_centered=True)[0])

    def mahalanobis(outputs: Outputs) -> Values:
        offsets = [outputs[0] - mean for mean in means]
        return np.min([((offset @ precision) * offset).sum(axis=1) for offset in offsets], axis=0)

    def neighbours(outputs: Outputs) -> Values:
        similar = _unit(outputs[0]) @ units.T
        return -np.sort(similar, axis=1)[:, -NEIGHBOURS]

    return {
        "maximum of the softmax (Hendrycks & Gimpel 2017)": lambda outputs: -softmax(outputs[1], axis=1).max(axis=1),
        "energy (Liu et al. 2020)": lambda outputs: -logsumexp(outputs[1], axis=1),
        "Mahalanobis distance (Lee et al. 2018)": mahalanobis,
        f"{NEIGHBOURS}th nearest neighbour (Sun et al. 2022)": neighbours,
        "cosine to the nearest class mean (`unlike`)": lambda outputs: unlike(outputs[0], [known]),
    }


def _part(embeddings: Embeddings, split: str) -> Outputs:
    rows = embeddings.members(split)
    return embeddings.features[rows], embeddings.logits[rows]


def _unit(vectors: NDArray[np.float32]) -> Values:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float64)


def auroc(paintings: Values, others: Values) -> str:
    """Return the AUROC with its 95 % bootstrap interval, in percent."""
    rng = np.random.default_rng(0)

    def area(inside: Values, outside: Values) -> float:
        ordered = np.sort(inside)
        below = [np.searchsorted(ordered, outside, side=side) for side in ("left", "right")]
        return float(100 * np.mean(below) / len(inside))

    drawn = [area(rng.choice(paintings, len(paintings)), rng.choice(others, len(others))) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{area(paintings, others):.1f} [{low:.1f}, {high:.1f}]"


def table(run: Path, others: dict[str, Path], folder: Path) -> str:
    """Return the measurement as Markdown."""
    model = load_model_under_study(run)
    embeddings = compute_embeddings(model, BATCH, "cpu")
    # Those of a run's stored probabilities lack a constant, on which the energy depends.
    with torch.inference_mode():
        logits = model.classifier.network.head(torch.from_numpy(embeddings.features)).numpy()
    embeddings = replace(embeddings, logits=logits)
    pictures = {name: pictures_in(path) for name, path in others.items()} | drawn_pictures(folder)
    outputs = {name: outputs_of(model.classifier, images) for name, images in pictures.items()}
    test = _part(embeddings, "test")
    heads = [f"{name} ({len(each[0])})" for name, each in outputs.items()]
    lines = ["| score | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for name, score in scores(embeddings).items():
        inside = score(test)
        lines.append(f"| {name} | " + " | ".join(auroc(inside, score(each)) for each in outputs.values()) + " |")
    about = f"{model.classifier.hyper['backbone']}, {model.classifier.hyper['method']}, {len(test[0])} test paintings"
    return f"## {about}\n\n" + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="+")
    parser.add_argument("--others", nargs="*", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--sample", type=Path, default=Path("outputs/unlike-sample"), help="folder of drawn pictures")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    others = {name: Path(folder) for name, _, folder in (text.partition("=") for text in given.others)}
    made = f"{datetime.now(UTC):%d %B %Y}, {platform.processor() or platform.machine()}"
    text = f"Made on {made} by\n`python -m benchmarks.unlike {' '.join(sys.argv[1:])}`.\n\n"
    text += "\n".join(table(run, others, given.sample) for run in given.run)
    if given.output is None:
        sys.stdout.write(text)
    else:
        given.output.write_text(text)


if __name__ == "__main__":
    main()
