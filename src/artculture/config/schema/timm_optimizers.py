"""Check an optimizer of timm by its name and arguments."""

from collections.abc import Iterator
from typing import Any

from artculture.utils.errors import choices_hint, reason_of


def timm_optimizer_mistakes(opt: str, args: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a name of `timm.optim` or its further arguments, as (key, mistake)."""
    # Imported where it is used: timm takes a second.
    import torch
    from timm.optim import create_optimizer_v2, get_optimizer_info, list_optimizers

    known = list_optimizers()
    if opt not in known:
        yield f"optimizer.opt={opt}:", choices_hint(opt, known)
        return
    if get_optimizer_info(opt).second_order:
        yield f"optimizer.opt={opt}:", "needs second derivatives, which the training step does not compute"
        return
    try:
        create_optimizer_v2([torch.zeros(1, requires_grad=True)], opt=opt, lr=1.0, **args)
    except AssertionError:
        pass  # needs a GPU, which this machine may lack and the one that trains may have
    except Exception as error:  # of a foreign constructor
        yield f"optimizer.opt={opt}:", reason_of(error)
