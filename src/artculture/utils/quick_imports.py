"""Imports that others make and nobody here needs."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any


class _Later(ModuleType):
    """Stands for a module while others are imported; asked later, it gives what the real one has.

    Args:
        name: the module's.
        sought: the names that are looked up during the imports.
    """

    def __init__(self, name: str, **sought: Any) -> None:
        super().__init__(name)
        self.__dict__.update(sought)
        self.__dict__["_sought"] = tuple(sought)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or sys.modules.get(self.__name__) is self:
            raise AttributeError(f"{self.__name__} stands in for the real module, which has {name}")
        return getattr(importlib.import_module(self.__name__), name)

    def step_aside(self) -> None:
        del sys.modules[self.__name__]
        for name in self._sought:
            delattr(self, name)


@contextmanager
def lean_torchmetrics() -> Iterator[None]:
    """Import what stands inside without what torchmetrics loads to mend an old name of SciPy and to draw its metrics.

    They are a fifth of all that starting a training imports. Whoever asks for them later gets the real ones, a
    metric's `plot` too.
    """
    stand_ins = [module for module in _stand_ins() if module.__name__ not in sys.modules]
    if "matplotlib" in sys.modules:
        stand_ins = [module for module in stand_ins if not module.__name__.startswith("matplotlib")]
    sys.modules.update({module.__name__: module for module in stand_ins})
    try:
        yield
    finally:
        for module in stand_ins:
            module.step_aside()


def _stand_ins() -> list[_Later]:
    @contextmanager
    def style(*given: Any, **named: Any) -> Iterator[None]:
        # torchmetrics decorates its drawing with it when imported; what stands here waits until something is drawn.
        with pyplot.style.context(*given, **named):
            yield

    axes = _Later("matplotlib.axes", Axes=object)
    colors = _Later("matplotlib.colors", Colormap=object)
    pyplot = _Later("matplotlib.pyplot", Figure=object, style=SimpleNamespace(context=style))
    matplotlib = _Later("matplotlib", axes=axes, colors=colors, pyplot=pyplot)
    return [_Later("scipy.signal", hamming=None), axes, colors, pyplot, matplotlib]
