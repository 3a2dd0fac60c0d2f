"""Backbones, the head, and the LightningModule that trains them."""
