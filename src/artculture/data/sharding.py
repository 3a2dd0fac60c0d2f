"""What each of several devices takes of a batch: together exactly the batch, nothing twice and nothing left out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RankSlice:
    """One device's part of every batch.

    Attributes:
        rank: which device, counted from 0.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    def of(self, pictures: int) -> slice:
        """The pictures of a batch that are this device's: nearly even parts, in order.

        Where there are fewer than two pictures a device, the last devices get none: one picture alone can't be
        normalised by BatchNorm.
        """
        working = max(1, min(self.size, pictures // 2))
        if self.rank >= working:
            return slice(pictures, pictures)
        each, more = divmod(pictures, working)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))
