"""The typed configuration: schema, composition with Hydra, validation."""
