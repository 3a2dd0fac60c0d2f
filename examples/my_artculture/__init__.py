"""Parts of one's own for artculture; importing the package registers its timm model."""

from my_artculture import timm_models  # noqa: F401 - timm.register_model
