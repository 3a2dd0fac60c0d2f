"""Model card in the form of the Hugging Face Hub: a YAML header and sections in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from artculture import __version__
from artculture.evaluation.intervals import wilson
from artculture.serving.card_facts import NOT_STATED, CardFacts
from artculture.utils.label_words import LabelWords
from artculture.utils.secrets import hidden
from artculture.utils.targets import is_target, node_name
from artculture.utils.visible_text import markdown_text

PAPER = (
    "Z. Chen and Z. Chen. Art Cultural Classification with Deep Neural Networks. Massachusetts Institute of Technology."
)
REPOSITORY = "https://github.com/artculture/artculture"
BIBTEX = """\
```bibtex
@unpublished{chen_art_cultural_classification,
  title  = {Art Cultural Classification with Deep Neural Networks},
  author = {Chen, Zhenbang and Chen, Zhenjia},
  note   = {Massachusetts Institute of Technology}
}
```"""


def model_card(facts: CardFacts) -> str:
    """Return the card as Markdown."""
    header = yaml.safe_dump(_header(facts), sort_keys=False, allow_unicode=True)
    return hidden(f"---\n{header}---\n\n" + "\n".join(_lines(facts)) + "\n")


def _header(facts: CardFacts) -> dict[str, Any]:
    result = facts.result
    scores = {
        "accuracy": ("top-1 accuracy", result["test_top1"]),
        "top_3_accuracy": ("top-3 accuracy", result["test_top3"]),
        "f1": ("macro-F1", result["test_macro_f1"]),
        "recall": ("macro recall", result["test_macro_recall"]),
    }
    metrics = [{"type": kind, "name": name, "value": round(value, 4)} for kind, (name, value) in scores.items()]
    return {
        "license": facts.license or "unknown",
        "library_name": "artculture",
        "pipeline_tag": "image-classification",
        "tags": ["art", "paintings", facts.words.key, "image-classification", result["architecture"]],
        "metrics": ["accuracy", "f1", "recall"],
        "model-index": [
            {
                "name": facts.name,
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"type": result["data"], "name": result["data"], "split": "test"},
                        "metrics": metrics,
                    }
                ],
            }
        ],
    }


def _lines(facts: CardFacts) -> Iterator[str]:
    result = facts.result
    classes, words = result["classes"], facts.words
    by_style = " by its style" if words.are_cultures else ""
    yield f"# {markdown_text(facts.name)}\n"
    yield (
        f"Classifies a picture of a painting into {len(classes)} {words.many}{by_style}: "
        f"{markdown_text(', '.join(classes))}. Trained with artculture {__version__}."
    )
    if result.get("synthetic"):
        yield "\n**Trained on synthetic pictures: its numbers say nothing about real paintings.**"
    yield "\n## Intended use and limits\n"
    yield from _uses(words)
    yield "\n## How to use\n"
    yield from _example(facts)
    yield "\n## Training data\n"
    yield from _data(facts)
    yield "\n## Training\n"
    yield from _training(facts)
    yield "\n## Evaluation\n"
    yield from _evaluation(facts)
    yield "\n## Environmental impact\n"
    yield (
        f"{result['seconds'] / 60:.1f} minutes of training ({markdown_text(result['device'])}), "
        f"{result['epochs']} epoch{'' if result['epochs'] == 1 else 's'}. Energy was not measured."
    )
    yield "\n## Citation\n"
    yield f"{PAPER}\n\n{BIBTEX}" if words.are_cultures else f"artculture {__version__}: {REPOSITORY}"


def _uses(words: LabelWords) -> Iterator[str]:
    meaning = " A culture is the geographic label that a museum gave a painting." if words.are_cultures else ""
    yield (
        f"For research on collections: sorting pictures of paintings by likely {words.one} for a person to check, "
        f"studying what a network sees in them, teaching.{meaning}\n"
    )
    yield "Not for:\n"
    yield "- attribution, dating, provenance, authenticity or value of a work;"
    if words.are_cultures:
        yield "- conclusions about people: a culture is no statement on an artist's nationality, ethnicity or identity;"
    yield f"- works other than paintings, or other {words.many}: every picture gets one, also a photograph.\n"
    yield "Limits that the paper names:\n" if words.are_cultures else "Limits:\n"
    yield f"- **Few training paintings of some {words.many}** lower their accuracy: compare the recall of each below."
    if words.are_cultures:
        yield (
            "- **Ambiguous works**: pages of scriptures with much illumination were kept, which makes cultures with "
            "many of them more alike, those with few paintings most."
        )
    owner = "museums own" if words.are_cultures else "its owner has"
    yield (
        f"\nThe paintings are those that {owner}, photographed and published, which is no fair sample of what was "
        "painted. A network may also recognise an artist, a museum's photography or a frame instead of "
        f"{words.with_article}."
    )


def _example(facts: CardFacts) -> Iterator[str]:
    yield from ("```python", *example_lines(facts), "```\n")
    yield "With the decoding, resizing and cropping of its evaluation, for any number of pictures:\n"
    yield f"```sh\nartculture predict checkpoint={_address(facts)} images=pictures/\n```"


def example_lines(facts: CardFacts) -> Iterator[str]:
    """Yield a program of a few lines that classifies `painting.jpg`."""
    size = facts.checkpoint["preprocessing"]["image_size"]
    yield "import artculture, torch, numpy, PIL.Image  # pip install 'artculture[hub]'"
    yield f'classifier = artculture.load_classifier("{_address(facts)}")'
    yield f'picture = numpy.array(PIL.Image.open("painting.jpg").convert("RGB").resize(({size}, {size})))'
    yield "logits = classifier(torch.from_numpy(picture).permute(2, 0, 1)[None]) / classifier.temperature"
    yield "print(dict(zip(classifier.classes, logits.softmax(1)[0].tolist())))"


def _address(facts: CardFacts) -> str:
    return f"hf:{facts.repo}" if facts.repo else "model.safetensors"


def _data(facts: CardFacts) -> Iterator[str]:
    result = facts.result
    counts = result["counts"]
    yield (
        f"{markdown_text(result['data'])}: {counts['train']:,} paintings for training, {counts['val']:,} for "
        f"validation, {counts['test']:,} for the test. Fingerprint of ids, images, {facts.words.many} and groups: "
        f"`{result['manifest']}`.\n"
    )
    yield f"| {facts.words.one} | training paintings |\n|---|---:|"
    yield from (f"| {markdown_text(name)} | {count:,} |" for name, count in result["class_counts"].items())
    if facts.sources:
        named = {"not named" if name == NOT_STATED else name: count for name, count in facts.sources.items()}
        yield "\nBy source: " + _listed(named) + "."
    licences = "the data are no longer where they were" if facts.licences is None else _listed(facts.licences)
    yield f"\nLicence of the training paintings: {licences}."


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{markdown_text(name)} ({count:,})" for name, count in counts.items())


def _training(facts: CardFacts) -> Iterator[str]:
    result, hyper = facts.result, facts.checkpoint["hyper_parameters"]
    preprocessing = facts.checkpoint["preprocessing"]
    parts = [
        ("backbone", f"{result['architecture']}, {result['parameters'] / 1e6:.1f} M parameters with its head"),
        ("weights at the start", result["weights"]),
        ("method", f"{result['method']} ({result['trainable_parameters'] / 1e6:.1f} M parameters trained)"),
        *_fitting(result, hyper),
        ("precision", result["precision"]),
        ("seed", result["seed"]),
        ("pictures", _pictures(preprocessing)),
        ("versions", ", ".join(f"{name} {value}" for name, value in result["versions"].items())),
    ]
    yield "| | |\n|---|---|"
    yield from (f"| {name} | {markdown_text(value)} |" for name, value in parts)


def _fitting(result: Mapping[str, Any], hyper: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """How the head got its weights: by a classifier on frozen features, or by training."""
    if hyper["method"] == "probe":
        yield "probe", ", ".join(f"{name} {value}" for name, value in result["probe"].items())
        yield "balance", _section(hyper["balance"])
        return
    yield from ((name, _section(hyper[name])) for name in ("head", "loss", "balance", "optimizer", "scheduler"))
    yield "first learning rates", f"head {hyper['head_lr']:g}, backbone {hyper['backbone_lr']:g}"


def _pictures(preprocessing: Mapping[str, Any]) -> str:
    size, how = preprocessing["image_size"], preprocessing["interpolation"]
    if preprocessing["fit"] == "letterbox":
        return f"whole, longer side {size} px ({how}), with borders of the mean colour to {size} x {size} px"
    if preprocessing["fit"] == "stretch":
        return f"whole, stretched to {size} x {size} px ({how})"
    return f"shorter side {preprocessing['resize']} px ({how}), centre crop of {size} px"


def _section(section: Mapping[str, Any]) -> str:
    """Return a section of the config as text; of a user's own class its name alone, whose arguments may be private."""
    if is_target(section):
        return node_name(section)
    rest = ", ".join(f"{key} {value}" for key, value in section.items() if key != "name" and value is not None)
    return f"{section['name']}" + (f" ({rest})" if rest else "")


def _evaluation(facts: CardFacts) -> Iterator[str]:
    result = facts.result
    yield (
        "On the test split, which neither trained the network nor chose its epoch. Intervals are of 95 %, over "
        "paintings, for this one network.\n"
    )
    yield "| | percent | 95 % interval |\n|---|---:|---|"
    for key, name in (
        ("test_top1", "top-1 accuracy"),
        ("test_top3", "top-3 accuracy"),
        ("test_macro_f1", "macro-F1"),
        ("test_macro_recall", f"macro recall (mean over {facts.words.many})"),
    ):
        yield f"| {name} | {100 * result[key]:.1f} | {_range(result['intervals'][key])} |"
    yield f"\n### Recall of each {facts.words.one}\n"
    yield f"| {facts.words.one} | recall, percent | 95 % interval | test paintings |\n|---|---:|---|---:|"
    for name, part in result["per_culture"].items():
        n = part["test_paintings"]
        shown = ["none", ""] if not n else [f"{100 * part['recall']:.1f}", _range(wilson(round(part["recall"] * n), n))]
        yield f"| {markdown_text(name)} | {' | '.join(shown)} | {n} |"
    yield "\n### Calibration\n"
    yield (
        f"Expected calibration error {100 * result['test_ece']:.1f} % of the plain softmax, "
        f"{100 * result['test_ece_calibrated']:.1f} % with logits divided by the temperature "
        f"{result['temperature']:.3f}, which the validation split chose. `predict` applies it."
    )
    yield "\n### Baselines\n"
    yield "| | test top-1, percent | 95 % interval |\n|---|---:|---|"
    yield f"| **this model** | {100 * result['test_top1']:.1f} | {_range(result['intervals']['test_top1'])} |"
    yield f"| always the most frequent {facts.words.one} of the training split | {100 * result['majority']:.1f} | |"
    yield f"| guessing | {100 * result['chance']:.1f} | |"
    for other in facts.others:
        interval = _range(other["intervals"]["test_top1"])
        yield f"| {markdown_text(_row_name(other))} | {100 * other['test_top1']:.1f} | {interval} |"


def _row_name(result: Mapping[str, Any]) -> str:
    parts = [result[key] for key in ("architecture", "method", "scheduler", "variant")]
    return " ".join([*(str(part) for part in parts if part), f"seed {result['seed']}"])


def _range(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
