"""Division of a batch among ranks: every image of it belongs to exactly one rank."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RankSlice:
    """Part of every batch that one rank works on.

    Attributes:
        rank: counted from 0.
        size: number of ranks.
    """

    rank: int = 0
    size: int = 1

    def of(self, pictures: int) -> slice:
        """Return the slice of a batch of `pictures` images that belongs to this rank; slices are nearly even, in order.

        Where there are fewer than two images per rank, the last ranks get none, because BatchNorm cannot normalise a
        single image.
        """
        working = max(1, min(self.size, pictures // 2))
        if self.rank >= working:
            return slice(pictures, pictures)
        each, more = divmod(pictures, working)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))
