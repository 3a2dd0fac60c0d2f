import numpy as np
import pytest
import torch

from artculture.analysis.saliency.feature_maps import activation_heatmap, overlay, overlays, peak, upscale
from artculture.models.classifier import CultureClassifier


def test_heat_by_hand():
    # Two channels, summed: 1 5 / 3 1, so 0 1 / 0.5 0.
    maps = torch.tensor([[[[1.0, 2.0], [0.0, 1.0]], [[0.0, 3.0], [3.0, 0.0]]]])
    np.testing.assert_allclose(activation_heatmap(maps), [[[0, 1], [0.5, 0]]])


def test_signs_do_not_cancel():
    maps = torch.tensor([[[[1.0, 2.0]], [[-1.0, -2.0]]]])
    np.testing.assert_allclose(activation_heatmap(maps), [[[0, 1]]])


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_constant_map_is_zero(value):
    assert not activation_heatmap(torch.full((2, 3, 4, 4), value)).any()


def test_each_image_is_rescaled_separately():
    quiet = torch.rand(1, 3, 4, 4)
    both = activation_heatmap(torch.cat([quiet, 1000 * quiet]))
    np.testing.assert_allclose(both[0], both[1], rtol=1e-5)
    assert both.dtype == np.float32
    assert (both.min(), both.max()) == (0, 1)


def test_upscaling_keeps_range_and_position():
    small = np.zeros((1, 7, 7), np.float32)
    small[0, 2, 5] = 1
    large = upscale(small, (70, 70))
    assert large.min() >= 0
    assert large.max() <= 1
    assert peak(large[0]) == pytest.approx(peak(small[0]), abs=0.02)


def test_without_smoothing_the_cells_are_shown_as_they_are():
    small = np.arange(6, dtype=np.float32).reshape(1, 2, 3) / 5
    np.testing.assert_array_equal(upscale(small, (4, 6), smooth=False)[0], small[0].repeat(2, axis=0).repeat(2, axis=1))
    grey = np.full((20, 30, 3), 120, np.uint8)
    assert len(set(overlay(grey, small[0], smooth=False).get_flattened_data())) == 6
    assert len(set(overlay(grey, small[0]).get_flattened_data())) > 50


def test_the_peak_is_a_fraction_of_width_and_height():
    assert peak(np.array([[0, 0, 0, 1], [0, 0, 0, 0]], np.float32)) == (0.875, 0.25)
    assert peak(np.zeros((2, 2), np.float32)) == (None, None)


def test_the_painting_is_visible_under_any_activation():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    for level in (0.0, 1.0):
        over = np.asarray(overlay(picture, np.full((4, 4), level, np.float32)), float)
        assert np.corrcoef(over.mean(2).ravel(), picture.mean(2).ravel())[0, 1] > 0.9


def test_overlays_have_the_size_of_the_images():
    classifier = CultureClassifier("test_resnet", "timm", ["a", "b"], image_size=64)
    pictures = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    images = overlays(classifier, pictures)
    assert [(image.mode, image.size) for image in images] == [("RGB", (64, 64))] * 3
    assert classifier.training
