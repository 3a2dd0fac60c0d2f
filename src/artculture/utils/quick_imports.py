"""Stubs for slow imports of libraries that this project does not need."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any


class _LazyModule(ModuleType):
    """Stub of a module during the import of others; afterwards it forwards attributes to the real module.

    Args:
        name: name of the module.
        sought: attributes that are looked up during the imports.
    """

    def __init__(self, name: str, **sought: Any) -> None:
        super().__init__(name)
        self.__dict__.update(sought)
        self.__dict__["_sought"] = tuple(sought)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or sys.modules.get(self.__name__) is self:
            raise AttributeError(f"{self.__name__} is a stub; only the real module has {name}")
        return getattr(importlib.import_module(self.__name__), name)

    def remove(self) -> None:
        del sys.modules[self.__name__]
        for name in self._sought:
            delattr(self, name)


@contextmanager
def lean_torchmetrics() -> Iterator[None]:
    """Stub `scipy.signal` and matplotlib while torchmetrics is imported inside the block.

    torchmetrics imports them for compatibility with an old SciPy and for plotting, which takes a fifth of the import
    time of a training. Later uses, such as a metric's `plot`, get the real modules.
    """
    stubs = [module for module in _stubs() if module.__name__ not in sys.modules]
    if "matplotlib" in sys.modules:
        stubs = [module for module in stubs if not module.__name__.startswith("matplotlib")]
    sys.modules.update({module.__name__: module for module in stubs})
    try:
        yield
    finally:
        for module in stubs:
            module.remove()


def _stubs() -> list[_LazyModule]:
    @contextmanager
    def style(*given: Any, **named: Any) -> Iterator[None]:
        # torchmetrics uses it as a decorator at import; the real context is entered when something is plotted.
        with pyplot.style.context(*given, **named):
            yield

    axes = _LazyModule("matplotlib.axes", Axes=object)
    colors = _LazyModule("matplotlib.colors", Colormap=object)
    pyplot = _LazyModule("matplotlib.pyplot", Figure=object, style=SimpleNamespace(context=style))
    matplotlib = _LazyModule("matplotlib", axes=axes, colors=colors, pyplot=pyplot)
    return [_LazyModule("scipy.signal", hamming=None), axes, colors, pyplot, matplotlib]
