import numpy as np
import pytest
import torch

from artculture.data.transforms import Preprocessing, eval_transform
from artculture.evaluation.calibration import softmax
from artculture.evaluation.inference import InferenceModel
from artculture.evaluation.test_time_views import (
    TestTimeViews,
    crop_boxes,
    mean_probabilities,
    view_logits,
    whole_shape,
)

PREPROCESSING = Preprocessing(64, 72, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
SCROLL = np.random.default_rng(0).integers(0, 256, (72, 250, 3), dtype=np.uint8)


class Colours(InferenceModel):
    """Logits that are the mean colour of the left half."""

    name, classes, preprocessing, temperature = "colours", ("red", "green", "blue"), PREPROCESSING, 2.0

    def features_and_logits(self, images):
        colours = images[..., : images.shape[-1] // 2].float().mean(dim=(2, 3)) / 10
        return colours, colours


@pytest.mark.parametrize(
    ("shape", "boxes"),
    [
        ((72, 72), [(0, 0, 72, 72)]),
        ((72, 250), [(0, 0, 72, 72), (0, 59, 72, 72), (0, 119, 72, 72), (0, 178, 72, 72)]),
        ((100, 72), [(0, 0, 72, 72), (28, 0, 72, 72)]),
    ],
)
def test_crops_cover_the_picture(shape, boxes):
    assert crop_boxes(*shape) == boxes


def test_a_whole_picture_keeps_its_aspect_ratio_and_the_number_of_pixels():
    assert whole_shape(100, 100, 224) == (224, 224)
    assert whole_shape(72, 288, 224) == (128, 448)
    assert whole_shape(1600, 100, 224) == (896, 64)


def test_the_image_of_evaluation_comes_first_and_then_its_mirror():
    views = TestTimeViews(PREPROCESSING, ["flip"])
    plain, mirrored = views.of(SCROLL)
    assert views.decoding == "crop"
    assert torch.equal(plain, eval_transform(PREPROCESSING)(torch.from_numpy(SCROLL).permute(2, 0, 1)))
    assert torch.equal(mirrored, plain.flip(2))


def test_views_of_several_kinds_are_averaged_in_probability():
    views = TestTimeViews(PREPROCESSING, ["crops", "whole", "flip"])
    assert views.decoding == "strip"
    pictures = [views.of(SCROLL), views.of(SCROLL[:, :72])]
    assert [tuple(view.shape[1:]) for view in pictures[0][:5]] == [(64, 64)] * 4 + [(32, 128)]
    assert [len(each) for each in pictures] == [10, 4]
    for batch_size in (1, 3, 32):
        found = mean_probabilities(view_logits(Colours(), pictures, batch_size), 2.0)
        for probabilities, each in zip(found, pictures, strict=True):
            logits = [Colours().features_and_logits(view[None])[1].numpy() for view in each]
            assert probabilities == pytest.approx(np.mean([softmax(one, 2.0)[0] for one in logits], axis=0), abs=1e-6)
