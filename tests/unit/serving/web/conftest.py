import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.fixtures.runs import compose_once

pytest.importorskip("fastapi", reason="fastapi is not installed (the `serve` extra has it)")

CLASSES = ("Dutch", "French", "Indian")


@dataclass
class Index:
    """A feature index of two paintings; the address of one is no link."""

    paintings: pd.DataFrame

    def search(self, features, k):
        from artculture.analysis.embedding.feature_index import Similar

        return Similar(np.array([[1, 0]])[:, :k], np.array([[0.9, 0.5]], dtype=np.float32)[:, :k])

    def thumbnail(self, position):
        return picture(format="JPEG")


def picture(size: tuple[int, int] = (60, 40), seed: int = 0, format: str = "PNG", **options: Any) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format, **options)
    return out.getvalue()


@pytest.fixture(scope="session")
def model():
    """An untrained classifier of a few thousand weights, with scores of validation paintings."""
    import torch

    from artculture.evaluation.inference import TorchModel
    from artculture.models.classifier import CultureClassifier
    from artculture.models.uncertainty import Typicality, Uncertainty

    torch.manual_seed(0)
    model = TorchModel(CultureClassifier("test_resnet", "timm", list(CLASSES), 32), "cpu")
    width = model.features_and_logits(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))[0].shape[1]
    means = np.eye(len(CLASSES), width, dtype=np.float32)
    model.uncertainty = Uncertainty(np.linspace(0.1, 0.9, 50), [Typicality(means, np.linspace(-1, 1, 50))])
    return model


@pytest.fixture(scope="session")
def paintings() -> Index:
    rows = {
        "title": ["<b>Night</b>", None], "artist": ["A", "B"], "date": ["1642", ""], "culture": ["Dutch", "French"],
        "source": "met", "object_id": ["1", "2"], "object_url": ["javascript:alert(1)", "https://museum.example/2"],
    }  # fmt: skip
    return Index(pd.DataFrame(rows))


@pytest.fixture(scope="session")
def configured() -> Callable[..., Any]:
    from artculture.config.composition import resolved
    from artculture.config.schema.checkpoint_commands import ServeConfig
    from artculture.config.validation import validated

    def compose(*overrides: str) -> ServeConfig:
        return validated(ServeConfig, resolved(compose_once("serve", "checkpoint=a.ckpt", *overrides)))

    return compose


@dataclass
class Running:
    """A server in a thread of this process."""

    client: httpx.Client
    service: Any
    server: Any
    port: int

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def post(self, content: bytes, path: str = "/predict", **options: Any) -> httpx.Response:
        return self.client.post(path, files={"file": ("a.png", content)}, **options)


@pytest.fixture(scope="session")
def serving(model, paintings, configured) -> Callable[..., Any]:
    """A server with the model for a `with` block."""
    from artculture.serving.web.app import create_app
    from artculture.serving.web.loading import Example
    from artculture.serving.web.served_model import ServedModel
    from artculture.serving.web.server import Server, bind
    from artculture.serving.web.service import PredictionService

    @contextmanager
    def serve(*overrides: str) -> Iterator[Running]:
        config = configured(*overrides)
        service = PredictionService([ServedModel("tiny", model, 0.9, paintings, {"classes": list(CLASSES)})], config)
        examples = [Example(picture(seed=5), picture(format="JPEG"), "A <i>title</i>", "An artist")]
        ready, listener = threading.Event(), bind("127.0.0.1", 0)
        server = Server(create_app(service, config, examples), config.limits, ready.set)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        assert ready.wait(20)
        port = listener.getsockname()[1]
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                yield Running(client, service, server, port)
        finally:
            server.should_exit = True
            thread.join(20)
        assert not thread.is_alive()

    return serve


@pytest.fixture(scope="module")
def running(serving) -> Iterator[Running]:
    with serving("limits.megabytes=1.0", "limits.megapixels=1.0", "limits.pictures=3", "limits.waiting=8") as server:
        yield server
