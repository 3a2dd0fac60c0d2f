import pandas as pd
import pytest

from artculture.data.selection import select
from artculture.utils.errors import InputError


def test_shards_keep_artists_in_one_split(gallery, write, sharded):
    images = sorted(path.relative_to(gallery).as_posix() for path in gallery.glob("*/*.png"))
    table = pd.DataFrame({"image": images, "culture": [image.split("/")[0] for image in images]})
    table.assign(artist=[f"artist {n // 2}" for n in range(20)]).to_csv(gallery / "manifest.csv", index=False)
    fractions = [0.4, 0.3, 0.3]
    write("parted", fractions=fractions, split="random")
    parted = str(gallery.parent / "parted")
    with pytest.raises(InputError, match=r"stored split has . of 10 in two splits or more"):
        select(sharded(parted, disjoint="artist"))
    write(fractions=fractions, disjoint="artist")
    for choice in (sharded(disjoint="artist"), sharded(parted, split="stratified", disjoint="artist")):
        selection = select(choice)
        assert pd.Series(selection.split).groupby(selection.manifest.table["artist"].to_numpy()).nunique().max() == 1
