"""`artculture serve`: a web page and a JSON API."""

import sys
from importlib.util import find_spec

from artculture.config.composition import run_app
from artculture.config.schema.checkpoint_commands import ServeConfig
from artculture.utils.errors import InputError
from artculture.utils.visible_text import visible

PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


def run(argv: list[str]) -> int:
    return run_app("serve", ServeConfig, serve, argv)


def serve(config: ServeConfig) -> int:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(f"artculture serve needs {', '.join(missing)}: pip install 'artculture[serve]'")
    from artculture.serving.web.server import Server, bind, is_loopback
    from artculture.utils.logging import configure_logging

    configure_logging()
    with bind(config.host, config.port) as listener:
        # torch is imported after the config is validated and the port is had, so that help and errors appear at once.
        from artculture.serving.web.app import create_app
        from artculture.serving.web.loading import load_examples, load_models
        from artculture.serving.web.service import PredictionService

        models = load_models(config)
        examples = load_examples(models, config.examples, config.trust)
        host = f"[{config.host}]" if ":" in config.host else config.host
        address = f"http://{host}:{listener.getsockname()[1]}"
        if not is_loopback(config.host):
            sys.stderr.write(f"host={config.host}: other machines may ask this server, and it has no password\n")

        def ready() -> None:
            names = ", ".join(model.name for model in models)
            sys.stdout.write(visible(f"{names}\n{address} answers; Ctrl-C ends it\n"))
            sys.stdout.flush()

        service = PredictionService(models, config)
        service.warm_up()
        Server(create_app(service, config, examples), config.limits, ready).run_until_stopped(listener)
    return 0
