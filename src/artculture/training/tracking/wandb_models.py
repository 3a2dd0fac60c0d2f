"""Models in W&B: the name of a run's model, `checkpoint=wandb:entity/project/name:alias`, links to a registry."""

import re
from pathlib import Path

from artculture.data.cache.folder import cache_folder, default_cache
from artculture.training.identity import limited_name
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError, reason_of

# Names have letters, digits, `-`, `_` and `.`.
REFUSED = re.compile(r"[^\w.-]+", re.ASCII)
LONGEST_NAME = 128
BEST = "best"  # alias of the best checkpoint of a run
# `entity/project/name:alias`, of which the first two have defaults.
ADDRESS = re.compile(r"(?:[\w. -]+/){0,2}[\w.-]+:[\w.-]+")


def artifact_name(kind: str, *words: str) -> str:
    """Return the name of an artifact, as in `model-table2-resnet50-finetuned-plateau`; a long one ends in a hash."""
    return limited_name(REFUSED.sub("_", "-".join([kind, *words])), LONGEST_NAME)


def model_name(directory: RunDirectory) -> str:
    """Return the name of the artifact of a run's best checkpoint."""
    path = directory.path.resolve()
    return artifact_name("model", path.parent.name, path.name)


def wandb_checkpoint(address: str) -> Path:
    """Return the checkpoint of a model in W&B, downloaded to the cache of the package.

    The artifact of a run's model is a run directory, so that its own paintings and split are known.

    Args:
        address: `entity/project/name:alias`.

    Raises:
        InputError: it is no such address, wandb is missing, or the artifact can't be had or holds no checkpoint.
    """
    if ADDRESS.fullmatch(address) is None:
        raise InputError(f"checkpoint=wandb:{address}: give wandb:entity/project/name:alias")
    try:
        import wandb
    except ImportError as error:
        raise InputError(f"checkpoint=wandb:{address} needs wandb: pip install wandb") from error
    try:
        artifact = wandb.Api().artifact(address)
        folder = Path(artifact.download(root=str(cache_folder(default_cache()) / "wandb" / str(artifact.digest))))
    except Exception as error:  # the library raises many kinds
        raise InputError(
            f"checkpoint=wandb:{address} can't be downloaded ({reason_of(error)}). Check the name and the alias; a "
            "private project needs `wandb login`"
        ) from error
    best = RunDirectory(folder).best
    found = [best] if best.is_file() else sorted(folder.rglob("*.ckpt"))
    if len(found) != 1:
        raise InputError(f"checkpoint=wandb:{address} holds {len(found)} checkpoints; give an artifact with one")
    return found[0]


def link_model(entity: str, project: str, directory: RunDirectory, registry: str) -> str:
    """Link the model of a run to a collection of a registry.

    Args:
        entity: of the run.
        project: of the run.
        directory: the run directory.
        registry: the collection, as in `wandb-registry-model/paintings`.

    Returns:
        The name of the linked artifact.

    Raises:
        InputError: the run's model is not in W&B, or can't be linked.
    """
    import wandb

    name = f"{entity}/{project}/{model_name(directory)}:{BEST}"
    try:
        wandb.Api().artifact(name).link(registry)
    except Exception as error:  # the library raises many kinds
        raise InputError(
            f"registry={registry}: {name} can't be linked ({reason_of(error)}): train with "
            "logger.wandb.log_model=best, and sync offline runs first"
        ) from error
    return name
