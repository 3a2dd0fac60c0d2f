"""Likely label errors by confident learning (Northcutt, Jiang and Chuang, 2021, JAIR 70:1373-1411)."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from artculture.data.splits import assign_folds
from artculture.utils.errors import InputError
from artculture.utils.progress import Progress

# Inverse strengths of the L2 penalty, of which the one with the lowest out-of-fold loss is used.
PENALTIES = (0.003, 0.03, 0.3)
STEPS = 200  # of the optimizer at most
SMALLEST = 1e-12  # probability in a logarithm


@dataclass(frozen=True)
class LabelIssues:
    """Judgement of N labels.

    Attributes:
        suggested: most probable class other than the label, int64 N.
        score: self-confidence, 0 (surely wrong) to 1 (surely right), float64 N.
        likely: whether confident learning counts the label as an error, bool N.
    """

    suggested: NDArray[np.int64]
    score: NDArray[np.float64]
    likely: NDArray[np.bool_]


def out_of_fold_probabilities(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: Sequence[str],
    classes: int,
    folds: int = 5,
    seed: int = 0,
    on_progress: Progress = lambda *_: None,
) -> NDArray[np.float64]:
    """Return class probabilities of each painting by a model that was fitted without it and without its group.

    The model is a multinomial logistic regression on standardised features.

    Args:
        features: N x features.
        labels: class indices, N.
        groups: name of each painting's group, N; a group is in one fold.
        classes: number of classes C.
        folds: number of folds; fewer where there are fewer groups.
        seed: of the folds.
        on_progress: called with (done, total) fits.

    Returns:
        N x C; a class that is in one fold alone has probability 0 there.

    Raises:
        InputError: all paintings have one label or are of one group.
    """
    folds = min(folds, len(set(groups)))
    if folds < 2 or len(np.unique(labels)) < 2:
        raise InputError("an audit needs paintings of two labels and two groups")
    fold = assign_folds(pd.DataFrame({"group": groups, "culture": labels}), folds, seed)
    parts = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in np.unique(fold)]
    found = np.zeros((len(PENALTIES), len(labels), classes))
    for number, (train, test) in enumerate(parts):
        scaler = StandardScaler().fit(features[train])
        for at, penalty in enumerate(PENALTIES):
            found[at, test] = _fitted(scaler, features, labels, train, test, penalty, classes)
            on_progress(number * len(PENALTIES) + at + 1, len(parts) * len(PENALTIES))
    of_label = found[:, np.arange(len(labels)), labels]
    losses = -np.log(np.maximum(of_label, SMALLEST)).mean(axis=1)
    best: NDArray[np.float64] = found[int(losses.argmin())]
    return best


def _fitted(
    scaler: StandardScaler,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    penalty: float,
    classes: int,
) -> NDArray[np.float64]:
    probabilities = np.zeros((len(test), classes))
    present = np.unique(labels[train])
    if len(present) == 1:
        probabilities[:, present] = 1
        return probabilities
    model = LogisticRegression(C=penalty, max_iter=STEPS)
    with warnings.catch_warnings():
        # The ranking needs no converged optimum.
        warnings.filterwarnings("ignore", "lbfgs failed to converge")
        model.fit(scaler.transform(features[train]), labels[train])
    probabilities[:, model.classes_] = model.predict_proba(scaler.transform(features[test]))
    return probabilities


def find_label_issues(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> LabelIssues:
    r"""Judge each label by out-of-fold probabilities.

    With the probability :math:`p_{nj}` of class j for painting n of label :math:`y_n`:

    - The score is the self-confidence :math:`s_n = p_{n y_n}`.
    - The threshold of class j is the mean probability of j over the paintings labelled j,
      :math:`t_j = \frac{1}{|\{n: y_n = j\}|} \sum_{n: y_n = j} p_{nj}`. The paper counts n as an error if
      :math:`\arg\max_{j: p_{nj} \geq t_j} p_{nj}` exists and is not :math:`y_n`. Here that class must also be more
      probable than the label: the thresholds of small classes are so low that many right labels would be counted.

    Args:
        probabilities: N x C.
        labels: class indices, N.
    """
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -1
    suggested = others.argmax(axis=1).astype(np.int64)
    thresholds = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(labels):
        thresholds[label] = probabilities[labels == label, label].mean()
    confident = np.where(probabilities >= thresholds, probabilities, -1)
    best, score = confident.argmax(axis=1), probabilities[rows, labels]
    return LabelIssues(suggested, score, (best != labels) & (confident[rows, best] > score))
