"""What the API answers."""

from typing import Annotated, Any

from pydantic import BaseModel, FailFast, Field


class ClassProbability(BaseModel):
    """A class, as a culture or a style."""

    name: str
    probability: float = Field(description="calibrated, 0 to 1")


class SaliencyMap(BaseModel):
    """The picture as the network sees it, under a map of what counts."""

    method: str = Field(description="feature_map or grad_cam")
    title: str
    image: str = Field(description="a JPEG as a data: address")


class SimilarPainting(BaseModel):
    """A painting of the feature index."""

    similarity: float = Field(description="cosine of the features, -1 to 1")
    title: str
    artist: str
    date: str
    label: str
    source: str
    object_id: str
    url: str = Field(description="the museum's page; empty if there is none")
    thumbnail: str = Field(description="a JPEG as a data: address")


class Details(BaseModel):
    """What is behind a prediction."""

    maps: list[SaliencyMap]
    maps_missing: str | None = Field(None, description="why there are no maps")
    similar: list[SimilarPainting] | None = Field(None, description="null without a feature index")


class ModelPrediction(BaseModel):
    """The prediction of one model."""

    model: str
    label: str = Field(description="what a class is called: `culture`, `style`")
    classes: list[ClassProbability] = Field(description="the most probable first")
    labels: dict[str, list[ClassProbability]] = Field(description="the same of each further label of the model")
    set: list[str] | None = Field(None, description="contains the true class with the probability `coverage`")
    coverage: float | None = None
    unlike: float | None = Field(
        None, description="share of the validation paintings that are more like the training paintings than this one"
    )
    details: Details | None = None


class Prediction(BaseModel):
    """The predictions for one picture, of each model."""

    models: list[ModelPrediction]
    preview: str | None = Field(None, description="a small JPEG of the picture as a data: address, with details=true")


class BatchEntry(BaseModel):
    """One picture of a batch: its predictions, or why it was refused."""

    name: str
    models: list[ModelPrediction] | None = None
    status: int = 200
    error: str | None = None


class BatchPrediction(BaseModel):
    """The pictures of a batch, in the order of the request."""

    pictures: list[BatchEntry]


class Health(BaseModel):
    """The state of the server."""

    status: str = "ok"
    version: str
    models: list[dict[str, Any]]
    waiting: int = Field(description="pictures that are accepted and not yet answered")


class Refusal(BaseModel):
    """Why a request was refused."""

    error: str


class Link(BaseModel):
    """A linked picture, or one of the examples."""

    url: str | None = Field(None, description="http(s) address of a picture")
    example: int | None = Field(None, description="number of an example of the page", ge=0)


class Links(BaseModel):
    """Linked pictures."""

    # Without `FailFast`, a request of wrong entries takes gigabytes for their errors.
    urls: Annotated[list[str], FailFast()] = Field(min_length=1)
