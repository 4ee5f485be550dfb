"""Field types that response bodies share, each with its unit or range."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Id = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Proportion = Annotated[float, Field(ge=0, le=1)]
Difference = Annotated[float, Field(ge=-1, le=1)]
Digit = Annotated[int, Field(ge=0, le=9)]
VersionName = Annotated[Literal["v1", "v2"], Field(description="API version")]


class ModelRef(BaseModel):
    """The name and hash of a trained model."""

    name: Annotated[str, Field(examples=["cifra-v2"])]
    hash: Annotated[
        str, Field(pattern="^[0-9a-f]{12}$", description="first 12 hex digits of its SHA-256")
    ]


class ProportionInterval(BaseModel):
    """A 95 % confidence sequence or interval of a proportion."""

    low: Proportion
    high: Proportion


class DifferenceInterval(BaseModel):
    """A 95 % confidence sequence of a difference of proportions, -1..1."""

    low: Difference
    high: Difference
