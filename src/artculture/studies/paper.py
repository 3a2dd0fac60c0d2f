"""Table 2 of the paper (Chen & Chen, Art Cultural Classification with Deep Neural Networks)."""

from typing import NamedTuple


class PaperResult(NamedTuple):
    """One row of Table 2, accuracies in percent."""

    architecture: str
    scheduler: str
    method: str
    validation: float
    top1: float
    top3: float


TABLE_2 = (
    PaperResult("resnet50", "plateau", "finetuned", 69.28, 71.79, 91.84),
    PaperResult("resnet50", "step", "finetuned", 68.28, 70.09, 91.69),
    PaperResult("vgg16_bn", "step", "finetuned", 67.37, 68.13, 90.63),
    PaperResult("alexnet", "step", "finetuned", 68.28, 65.71, 88.07),
    PaperResult("resnet50", "step", "transfer", 60.88, 60.88, 86.86),
    PaperResult("resnet50", "step", "scratch", 50.01, 48.04, 78.55),
)

# Config names to the names in the paper's table.
WORDS = {
    "resnet50": "ResNet50",
    "vgg16_bn": "VGG-16 BN",
    "alexnet": "AlexNet",
    "efficientnet_lite0": "EfficientNet-Lite0",
    "plateau": "ReduceOnPlateau",
    "step": "StepLR",
    "cosine": "Cosine",
    "finetuned": "Fine-tuned",
    "transfer": "Transfer",
    "scratch": "Scratch",
    "ensemble": "Ensemble",
    "probe": "Probe",
    "none": "–",
}


def row_title(architecture: str, method: str, scheduler: str) -> str:
    """Return the display name of a row; a method without a schedule has none in its name."""
    names = [word(architecture), word(method).lower(), *([] if scheduler == "none" else [word(scheduler)])]
    return ", ".join(names)


def word(name: str) -> str:
    """Return the display name of a config name, as in the paper."""
    return WORDS.get(name, name)
