import inspect

import hydra
import pytest

from artculture.config.composition import resolved
from artculture.config.validation import config_folder
from artculture.models.classifier import CultureClassifier
from artculture.utils.errors import InputError


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"optimizer": {"name": "adamw"}}, "optimizer.betas is missing; it is needed by optimizer=adamw"),
        ({"scheduler": {"name": "cosine", "floor": 0.0}}, "scheduler.warmup_epochs is missing"),
        ({"loss": {"name": "focal"}}, "loss.name=focal: choose cross_entropy"),
        ({"head": {"name": "linear"}}, "head.dropout is missing"),
        ({"method": "finetune"}, "did you mean `finetuned`?"),
        ({"library": "custom"}, "a custom backbone needs its `_target_`"),
        ({"library": "timmm"}, "did you mean `timm`?"),
    ],
)
def test_a_section_without_its_values_is_named(make, wrong, says):
    with pytest.raises(InputError) as caught:
        make(**wrong)
    assert says in str(caught.value)


def test_a_loss_that_returns_no_mean_is_named(make, fit):
    with pytest.raises(InputError, match=r"`MultiMarginLoss` returns a tensor of shape \(8,\)"):
        fit(make(loss={"_target_": "torch.nn.MultiMarginLoss", "reduction": "none"}), epochs=1)


@pytest.mark.parametrize("section", ["head", "loss", "optimizer", "scheduler"])
def test_the_defaults_of_python_are_those_of_the_config(section):
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = resolved(hydra.compose("train"))[section]
    default = inspect.signature(CultureClassifier).parameters[section].default
    assert {**config, **default} == config
