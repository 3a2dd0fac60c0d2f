# CPU:  docker build -t artculture .
# CUDA: docker build -t artculture:cuda --build-arg TORCH_BACKEND=cu130 .
# Run:  docker run --rm -v "$PWD:/work" artculture train study=table2 data=sample    (CUDA: add --gpus all --ipc host)
FROM python:3.11-slim

# Any backend that `uv pip install --torch-backend` knows: PyPI's wheels for Linux bring 3 GB of CUDA to a CPU.
ARG TORCH_BACKEND=cpu
ARG EXTRAS=hub,lite0,search

RUN pip install --no-cache-dir uv && useradd --create-home artculture
WORKDIR /opt/artculture
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
COPY conf conf
RUN uv pip install --system --no-cache --torch-backend "$TORCH_BACKEND" --constraint constraints.txt ".[$EXTRAS]"

USER artculture
ENV PYTHONUNBUFFERED=1
WORKDIR /work
ENTRYPOINT ["artculture"]
CMD ["--help"]
