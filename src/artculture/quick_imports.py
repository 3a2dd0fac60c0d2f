"""Imports that others make and nobody here needs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without_scipy_signal() -> Iterator[None]:
    """Import what stands inside without `scipy.signal`, which torchmetrics loads to mend one of its old names.

    It is a sixth of all that starting a training imports. Whoever asks for it later gets the real one.
    """
    name = "scipy.signal"
    if name in sys.modules:
        yield
        return
    stand_in = ModuleType(name)
    stand_in.hamming = None  # type: ignore[attr-defined]  # the name that is looked for
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]
