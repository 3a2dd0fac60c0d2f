"""Names and shapes of foreign weights, brought to those of a backbone."""

import logging
import sys

from torch import Tensor, nn

from artculture.models.backbones import Backbone
from artculture.utils.errors import reason_of

log = logging.getLogger(__name__)

StateDict = dict[str, Tensor]

PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.", "network.")


def with_our_names(backbone: Backbone, state: StateDict) -> StateDict:
    """Return a file's weights by the backbone's names: without wrappers' prefixes, with a part's own name before."""
    own = backbone.module.state_dict()

    def hits(candidate: StateDict) -> int:
        return sum(key in own and own[key].shape == value.shape for key, value in candidate.items())

    candidates = [state]
    for prefix in PREFIXES:
        for known in list(candidates):
            if all(key.startswith(prefix) for key in known):
                candidates.append({key.removeprefix(prefix): value for key, value in known.items()})
    # One of our own checkpoints: the backbone alone, the head stays behind.
    inside = {k.removeprefix("network.backbone."): v for k, v in state.items() if k.startswith("network.backbone.")}
    candidates += [inside] if inside else []
    parts = [name for name, _ in backbone.module.named_children()]
    candidates += [{f"{part}.{key}": value for key, value in state.items()} for part in parts]
    best = max(candidates, key=hits)
    return best if hits(best) == len(own) else max(best, _in_timms_form(backbone.module, best), key=hits)


def _in_timms_form(module: nn.Module, state: StateDict) -> StateDict:
    """Return weights as timm has them: position embeddings of the image size, other programs' names as timm's."""
    defined_in = type(module).__module__
    convert = getattr(sys.modules[defined_in], "checkpoint_filter_fn", None)
    if convert is None or not defined_in.startswith("timm."):
        return state
    try:
        return {key: value for key, value in convert(dict(state), module).items() if isinstance(value, Tensor)}
    except Exception as error:  # weights of another architecture, whose names are reported by the caller
        log.debug("timm can't convert the weights: %s", reason_of(error))
        return state
