"""A data source: a function that returns a table of paintings, one row each."""

from pathlib import Path

import pandas as pd


def load_paintings(folder: str, suffix: str = ".png") -> pd.DataFrame:
    """Return the pictures of a folder whose names begin with their culture, as in `Dutch_17.png`.

    Args:
        folder: the pictures' folder.
        suffix: of their names.
    """
    files = sorted(Path(folder).resolve().glob(f"*{suffix}"))
    return pd.DataFrame(
        {"object_id": file.stem, "image": file, "culture": file.stem.partition("_")[0]} for file in files
    )
