from tests.unit.models.conftest import batches, fit, held_out, make

__all__ = ["batches", "fit", "held_out", "make"]
