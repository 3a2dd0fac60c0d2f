"""Typed schema of the limits of downloads, which `conf/fetch.yaml` holds."""

from pydantic import PositiveFloat, PositiveInt

from artculture.config.schema.section import Section

MEGABYTE = 1_000_000


class DownloadLimits(Section):
    """Limits of each answer of a server; packed and unpacked bytes both count. Sizes in MB or megapixels."""

    json_megabytes: PositiveFloat
    json_depth: PositiveInt
    picture_megabytes: PositiveFloat
    picture_megapixels: PositiveFloat
    seconds: PositiveFloat
    file_megabytes: PositiveFloat
    file_seconds: PositiveFloat

    @property
    def json_bytes(self) -> float:
        """Limit of a JSON answer in bytes."""
        return self.json_megabytes * MEGABYTE

    @property
    def picture_bytes(self) -> float:
        """Limit of a picture in bytes."""
        return self.picture_megabytes * MEGABYTE

    @property
    def picture_pixels(self) -> float:
        """Limit of a picture in pixels."""
        return self.picture_megapixels * 1_000_000

    @property
    def file_bytes(self) -> float:
        """Limit of a table or a shard in bytes."""
        return self.file_megabytes * MEGABYTE
