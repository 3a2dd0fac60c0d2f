"""Words for the key numbers of the findings."""

import re

WORDS = {
    "accuracy_interval": "accuracy, 95 % interval",
    "adjusted_rand": "agreement with the regions (adjusted Rand index)",
    "after": "after temperature scaling",
    "all": "over all",
    "asian": "Asian paintings right",
    "asian_against_western": "Asian against Western",
    "before": "before temperature scaling",
    "bins": "bins of confidence",
    "by_likeliest_culture": "by the most probable culture",
    "by_summed_probability": "by summed probabilities",
    "chords": "chords drawn",
    "communities": "communities",
    "cultures_left_out": "cultures left out",
    "cultures_with_few_paintings": "cultures with few paintings",
    "ece": "expected calibration error (ECE)",
    "ece_if_calibrated": "ECE of calibrated probabilities, from its mean to its 95th percentile",
    "edge_weight_influence": "edge weight influence of ForceAtlas2",
    "exact": "all permutations tried",
    "farthest": "farthest pair",
    "groupings": "groupings tried",
    "inside": "within a region",
    "interval": "95 % interval",
    "iterations": "iterations of the layout",
    "knn_top1_k1": "right by the nearest neighbour",
    "knn_top1_k5": "right by the vote of 5 neighbours",
    "knn_top1_k20": "right by the vote of 20 neighbours",
    "larger_side": "share of the larger side",
    "least": "minimum",
    "log_loss": "log loss, nats",
    "map_columns": "columns of the network's map",
    "map_rows": "rows of the network's map",
    "mean_confidence": "mean confidence",
    "mean_of_groupings": "mean of the permuted groupings",
    "n": "paintings",
    "nearest": "nearest pair",
    "neighbours_kept": "neighbours kept by the map",
    "neighbours_kept_by_chance": "neighbours kept by a random map",
    "number": "number",
    "ordered_pairs": "ordered pairs",
    "p": "p-value",
    "p_one_sided": "p-value, one-sided",
    "p_two_sided": "p-value, two-sided",
    "pairs": "pairs",
    "representation": "features given to the layout",
    "right": "right predictions",
    "seed": "random seed",
    "shown": "shown",
    "silhouette_of_culture_means": "silhouette of the culture means",
    "silhouette_of_paintings": "silhouette of the paintings",
    "similarity_feature_map": "rank correlation of the feature map",
    "similarity_grad_cam": "rank correlation of Grad-CAM",
    "similarity_rollout": "rank correlation of attention rollout",
    "spearman": "Spearman's correlation",
    "spearman_of_layout_and_distance": "correlation of layout and distances",
    "starts": "random starts",
    "test_paintings": "test paintings",
    "threshold": "smallest similarity drawn",
    "western": "Western paintings right",
    "wrong": "wrong predictions",
}


# Keys that name the label, which need not be a culture.
SAME = {"nearest": "nearest neighbour", "random": "random painting"}
SAME_KEY = re.compile(r"(nearest|random)_same_(.+?)(_interval)?")


def number_words(key: str) -> str:
    """Return the words for the key of a number; those of another key are its own."""
    if same := SAME_KEY.fullmatch(key):
        interval = f", {WORDS['interval']}" if same[3] else ""
        return f"{SAME[same[1]]} of the same {same[2].replace('_', ' ')}{interval}"
    return WORDS.get(key, key.replace("_", " "))
