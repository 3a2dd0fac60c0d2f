"""The head of a nearest-neighbour classifier, whose state is the training paintings' features."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

# Most neighbours that a head can take.
MOST_NEIGHBOURS = 50
# Share of the votes for classes without a neighbour, divided among all classes.
PRIOR_VOTES = 1e-3


class NeighboursHead(nn.Module):
    r"""Logarithm of the shares of the classes among the nearest training paintings.

    The neighbour with cosine similarity :math:`s` has :math:`e^{s / T}` votes for its class, as in Wu et al. 2018,
    "Unsupervised Feature Learning via Non-Parametric Instance Discrimination" (arXiv 1805.01978, section 3.4).

    Args:
        features: length of the backbone's vector.
        classes: number of logits.
        paintings: number of training paintings.

    Attributes:
        centre, deviation: mean and standard deviation of each feature.
        paintings: directions of the training paintings, of length 1, paintings x features.
        labels: their class indices, int64.
        ranks: 1 for each of the first k neighbours, else 0; as many as there can be.
        temperature: T.
        weights: factor of the votes for each class.
    """

    centre: Tensor
    deviation: Tensor
    paintings: Tensor
    labels: Tensor
    ranks: Tensor
    temperature: Tensor
    weights: Tensor

    def __init__(self, features: int, classes: int, paintings: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.register_buffer("paintings", torch.zeros(paintings, features))
        self.register_buffer("labels", torch.zeros(paintings, dtype=torch.int64))
        self.register_buffer("ranks", torch.ones(min(MOST_NEIGHBOURS, paintings)))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("weights", torch.ones(classes))

    def forward(self, features: Tensor) -> Tensor:
        similarities = directions(features, self.centre, self.deviation) @ self.paintings.T
        # A number of neighbours that is no tensor, so that the head can be exported.
        nearest, rows = similarities.topk(len(self.ranks), dim=1)
        return vote(nearest, self.labels[rows], self.ranks, self.temperature, self.weights)


def directions(features: Tensor, centre: Tensor, deviation: Tensor) -> Tensor:
    """Return the directions of standardised vectors, N x features, each of length 1."""
    return normalize((features.float() - centre) / deviation, dim=1)


def vote(similarities: Tensor, labels: Tensor, ranks: Tensor, temperature: Tensor, weights: Tensor) -> Tensor:
    """Return the logarithm of each class's share of the votes, N x classes.

    Args:
        similarities: of the nearest paintings, descending, N x neighbours.
        labels: their class indices, N x neighbours.
        ranks: weight of the votes of each neighbour, neighbours.
        temperature: of the similarities.
        weights: factor of the votes for each class.
    """
    # Relative to the nearest one, whose vote is 1: no overflow at any temperature.
    votes = ((similarities - similarities[:, :1]) / temperature).exp() * ranks * weights[labels]
    by_class = votes.new_zeros(len(votes), len(weights)).scatter_add(1, labels, votes)
    shares = by_class / by_class.sum(dim=1, keepdim=True)
    return ((1 - PRIOR_VOTES) * shares + PRIOR_VOTES / len(weights)).log()
