"""The rows of benchmarks/results/accuracy.md."""

# Overrides of all rows.
USUAL = ["architecture=efficientnet_lite0", "data=folder", "data.image_size=224", "trainer=cpu", "logger=csv"]
# Of all rows that train by steps, so that they compare: those of the architecture's recipe.
EPOCHS = 8
FINETUNED = [f"trainer.max_epochs={EPOCHS}", "method=finetuned"]
MODERN = [*FINETUNED, "recipe=modern"]
# Networks see more in larger pictures than those that they were trained on (Touvron et al. 2019, arXiv 1906.06423).
LARGER = "data.image_size=288"
FOR_RARE = ["trainer.monitor=val/macro_recall"]

# Name of a row to what it adds to USUAL.
ROWS: dict[str, list[str]] = {
    "probe: logistic": ["method=probe"],
    "probe: logistic, logits half adjusted": ["method=probe", "balance=half_logit_adjustment"],
    "probe: logistic, logits adjusted": ["method=probe", "balance=logit_adjustment"],
    "probe: logistic, letterbox, logits adjusted": ["method=probe", "balance=logit_adjustment", "data.fit=letterbox"],
    "probe: logistic, class weights": ["method=probe", "balance=class_weights"],
    "probe: nearest mean": ["method=probe", "method.classifier=nearest_mean"],
    "probe: nearest neighbours": ["method=probe", "method.classifier=knn"],
    "probe: logistic, moments alone": ["method=probe", "method.stage_statistics=moments"],
    "probe: logistic, last vector alone": ["method=probe", "method.stage_statistics=none"],
    "probe: logistic, letterbox": ["method=probe", "data.fit=letterbox"],
    "probe: nearest mean, letterbox": ["method=probe", "method.classifier=nearest_mean", "data.fit=letterbox"],
    "probe: logistic, 288 px": ["method=probe", LARGER],
    "probe: logistic, 288 px, logits half adjusted": ["method=probe", LARGER, "balance=half_logit_adjustment"],
    "probe: logistic, 288 px, logits adjusted": ["method=probe", LARGER, "balance=logit_adjustment"],
    "probe: nearest mean, 288 px": ["method=probe", "method.classifier=nearest_mean", LARGER],
    "fine-tuned: last stage": [*FINETUNED, "recipe=modern", "method.unfreeze={last_stage:0}"],
    "fine-tuned: paper": FINETUNED,
    "fine-tuned: modern": MODERN,
    "fine-tuned: modern without balance": [*MODERN, "balance=none"],
    "fine-tuned: modern, chosen by macro recall": [*MODERN, "balance=logit_adjustment", *FOR_RARE],
    "fine-tuned: modern, SGD for AdamW": [
        *MODERN,
        "optimizer=sgd",
        "optimizer.layer_decay=0.75",
        "optimizer.decay_norms_and_biases=false",
        "method.head_lr=0.05",
        "method.backbone_lr=0.01",
    ],
    "fine-tuned: modern without layer decay": [*MODERN, "optimizer.layer_decay=null"],
    "fine-tuned: modern without EMA": [*MODERN, "trainer.ema=null"],
    "fine-tuned: modern without MixUp and CutMix": [*MODERN, "augment=randaugment"],
    "fine-tuned: modern, letterbox": [*MODERN, "data.fit=letterbox"],
}

# Rows that average runs of one split: members, and what `artculture ensemble` is given. Letterboxed and larger pictures
# may have other near-duplicates, which stay in one split, so that their splits may differ.
PROBES = ["probe: logistic", "probe: nearest mean"]
LARGER_PROBES = ["probe: logistic, 288 px, logits half adjusted", "probe: nearest mean, 288 px"]
LAST, MODERN_ROW = "fine-tuned: last stage", "fine-tuned: modern"
ENSEMBLES: dict[str, tuple[list[str], list[str]]] = {
    "ensemble: two probes": (PROBES, ["kind=mean"]),
    "ensemble: two probes, 288 px": (LARGER_PROBES, ["kind=mean"]),
    "ensemble: last stage and probe": ([LAST, "probe: logistic"], ["kind=mean"]),
    "ensemble: modern and probe": ([MODERN_ROW, "probe: logistic"], ["kind=mean"]),
    "ensemble: modern, last stage and two probes": ([MODERN_ROW, LAST, *PROBES], ["kind=mean"]),
}

# Rows that are another one with test-time augmentation.
TTA: dict[str, tuple[str, str]] = {
    "fine-tuned: modern, flips averaged": ("fine-tuned: modern", "[flip]"),
    "probe: logistic, flips averaged": ("probe: logistic", "[flip]"),
}

# The script of benchmarks/plain_timm.py, for as many epochs, on the split of this row.
PLAIN, PLAIN_SPLIT = "plain PyTorch and timm", "probe: logistic"

NAMES = [*ROWS, *TTA, *ENSEMBLES, PLAIN]

# Rows that take seconds, for a cross-validation with --folds.
QUICK = [row for row in ROWS if row.startswith("probe: ")] + [
    row for row, (members, _) in ENSEMBLES.items() if all(member.startswith("probe: ") for member in members)
]

# Pairs that are compared on the same test paintings: first minus second.
DIFFERENCES = [
    ("fine-tuned: modern", PLAIN),
    ("fine-tuned: modern without balance", PLAIN),
    ("fine-tuned: modern", "fine-tuned: paper"),
    ("fine-tuned: modern", "probe: logistic"),
    *(
        ("fine-tuned: modern", other)
        for other in (*ROWS, *TTA)
        if other.startswith("fine-tuned: modern") and other != "fine-tuned: modern"
    ),
    ("probe: logistic, logits adjusted", "probe: logistic"),
    ("probe: logistic", "probe: logistic, moments alone"),
    ("probe: logistic, moments alone", "probe: logistic, last vector alone"),
    ("ensemble: two probes", "probe: logistic"),
    ("fine-tuned: last stage", "probe: logistic"),
    ("ensemble: last stage and probe", "probe: logistic"),
    ("ensemble: modern and probe", "fine-tuned: modern"),
    ("ensemble: modern, last stage and two probes", "fine-tuned: modern"),
    ("ensemble: modern and probe", "probe: logistic"),
    ("ensemble: modern, last stage and two probes", "probe: nearest mean"),
    ("ensemble: two probes, 288 px", "probe: logistic, 288 px, logits half adjusted"),
    ("fine-tuned: last stage", PLAIN),
    ("probe: logistic, 288 px", "probe: logistic"),
    ("probe: logistic, 288 px, logits adjusted", "probe: logistic, logits adjusted"),
    ("probe: logistic, 288 px, logits half adjusted", "probe: logistic, logits half adjusted"),
    ("probe: logistic, 288 px, logits half adjusted", PLAIN),
]
