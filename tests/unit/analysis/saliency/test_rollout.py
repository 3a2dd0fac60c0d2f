import numpy as np
import pytest
import torch

from artculture.analysis.saliency import rollout
from artculture.analysis.saliency.explain import explain
from artculture.analysis.saliency.rollout import attention_modules, attention_rollout
from artculture.analysis.saliency.sanity_check import similarity_to_random
from artculture.models.classifier import CultureClassifier
from artculture.utils.errors import InputError


@pytest.fixture(scope="module")
def vit() -> CultureClassifier:
    torch.manual_seed(0)
    return CultureClassifier("test_vit", "timm", ("a", "b", "c")).eval()


def pictures(classifier, count=2):
    size = classifier.preprocessing.image_size
    draw = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=draw)


def test_rollout_is_the_product_of_the_blocks_attention(vit):
    images, recorded = pictures(vit), rollout._recorded
    before = [block.fused_attn for block in attention_modules(vit)]
    logits = vit(images)
    heats = attention_rollout(vit, images)
    assert [block.fused_attn for block in attention_modules(vit)] == before
    assert torch.equal(vit(images), logits)

    with recorded(attention_modules(vit)) as attentions, torch.no_grad():
        vit(images)
    expected = np.eye(attentions[0].shape[-1])
    for attention in attentions:
        mixed = attention[1].numpy() / 2 + np.eye(len(expected)) / 2
        expected = mixed / mixed.sum(axis=1, keepdims=True) @ expected
    row = expected[0, 1:] if vit.network.backbone.global_pool == "token" else expected[1:, 1:].mean(axis=0)
    row = (row - row.min()) / np.ptp(row)
    assert heats[1].ravel() == pytest.approx(row, abs=1e-3)


def test_networks_without_global_attention_have_none():
    classifier = CultureClassifier("test_resnet", "timm", ("a", "b"), 32).eval()
    with pytest.raises(InputError, match="has no attention rollout"):
        attention_rollout(classifier, pictures(classifier))
    targets = torch.tensor([0, 1])
    assert set(explain(classifier, pictures(classifier), targets)) == {"feature_map", "grad_cam", "occlusion"}


def test_a_map_of_the_network_changes_with_its_weights_and_one_of_the_picture_does_not(vit, monkeypatch):
    images, targets = pictures(vit), torch.tensor([0, 1])
    monkeypatch.setattr(
        "artculture.analysis.saliency.explain.METHODS",
        {
            "of_the_picture": lambda _, images, __: images[:, 0].float().numpy(),
            "rollout": lambda c, i, _: attention_rollout(c, i),
        },
    )
    before = {name: value.clone() for name, value in vit.state_dict().items()}
    drawn = [similarity_to_random(vit, images, targets, ["of_the_picture", "rollout"]) for _ in range(2)]
    assert drawn[0].equals(drawn[1])
    last = drawn[0][drawn[0]["layers"] == 1].set_index("method")["similarity"]
    assert last["of_the_picture"] == pytest.approx(1)
    assert abs(last["rollout"]) < 0.5
    assert all(torch.equal(before[name], value) for name, value in vit.state_dict().items())
