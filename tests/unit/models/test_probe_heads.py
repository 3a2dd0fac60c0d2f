import torch

from artculture.models.probe_heads import NeighboursHead


def test_the_votes_of_neighbours_are_those_of_their_similarities():
    head = NeighboursHead(features=2, classes=3, paintings=4)
    head.load_state_dict(
        {
            "centre": torch.zeros(2),
            "deviation": torch.ones(2),
            "paintings": torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]]),
            "labels": torch.tensor([0, 1, 1, 2]),
            "ranks": torch.tensor([1.0, 1.0, 1.0, 0.0]),
            "temperature": torch.tensor(0.5),
            "weights": torch.tensor([1.0, 0.5, 1.0]),
        }
    )
    # Similarities of the picture: 1, 0.8, 0 and, as the fourth, -1.
    votes = torch.tensor([1.0, 0.5 * (torch.tensor(-0.4).exp() + torch.tensor(-2.0).exp()), 0.0])
    shares = head(torch.tensor([[3.0, 0.0]])).exp()
    assert torch.allclose(shares, (0.999 * votes / votes.sum() + 0.001 / 3)[None], atol=1e-6)
