"""A frozen backbone in a run: its features computed once, its statistics settled where the weights had none."""

import hashlib
import logging

import lightning as L
import torch
from torch import Tensor

from artculture.config.schema.model import Method
from artculture.data.cache.features import FeatureDataModule
from artculture.data.datamodule import PaintingsDataModule
from artculture.data.embeddings.manifest import Vectors
from artculture.data.transforms import normalise
from artculture.models.batchnorm_statistics import has_batchnorm, settle_statistics
from artculture.models.classifier import CultureClassifier

log = logging.getLogger(__name__)

# Enough for steady means and variances; each picture is many pixels.
SETTLING_PICTURES, SETTLING_BATCH = 256, 64


def feed(
    method: Method, data: PaintingsDataModule, module: CultureClassifier, trainer: L.Trainer
) -> PaintingsDataModule | FeatureDataModule:
    """Return the data module of a training: of pictures, or of their cached features where the backbone is frozen."""
    if method.name != "transfer" or method.features == "recompute" or isinstance(data.paintings.cache, Vectors):
        return data
    if module.start.untouched:
        log.info("layers without pretrained weights train with the head: features are computed again in each epoch")
        return data

    def embed(pictures: Tensor) -> Tensor:
        with torch.inference_mode(), trainer.precision_plugin.forward_context():
            return module.embed(pictures.to(module.device)).float()

    def backbone() -> str:
        return f"{digest(module)} {trainer.precision} {module.device.type}{' compiled' if module.compiled else ''}"

    return FeatureDataModule(data, embed, backbone, method.views)


def digest(module: CultureClassifier) -> str:
    """Return a hash of the backbone's weights and statistics."""
    sha = hashlib.sha256()
    for name, tensor in sorted(module.network.backbone.state_dict().items()):
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def settle(module: CultureClassifier, data: PaintingsDataModule) -> None:
    """Settle BatchNorm on training pictures, for a backbone that is frozen at random numbers."""
    frozen = module.hyper["method"] in ("transfer", "probe")
    if not frozen or module.start.pretrained or not has_batchnorm(module.network.backbone):
        return
    rows = data.paintings.selection.members("train")
    # Spread over the whole split: manifests are sorted by culture.
    rows = rows[:: max(1, len(rows) // SETTLING_PICTURES)][:SETTLING_PICTURES]
    make, mean, std = data.maker(None), torch.tensor(data.preprocessing.mean), torch.tensor(data.preprocessing.std)
    parts = (rows[start : start + SETTLING_BATCH] for start in range(0, len(rows), SETTLING_BATCH))
    settle_statistics(module.network.backbone, (normalise(make(0, part), mean, std) for part in parts))
    log.info("the random backbone's BatchNorm statistics were settled on %d training pictures", len(rows))
