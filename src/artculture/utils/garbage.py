"""Python's garbage collector."""

import gc


def collect_garbage_rarely() -> None:
    """Run the garbage collector less often.

    Imports create objects by the million and hardly any garbage: collecting it every 700 objects (2,000 in newer
    Pythons) was a fifth of a training's start.
    """
    gc.set_threshold(50_000)
