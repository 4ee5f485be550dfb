"""Fields that several answers share, each with its unit or range."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Id = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Proportion = Annotated[float, Field(ge=0, le=1)]
Difference = Annotated[float, Field(ge=-1, le=1)]
Digit = Annotated[int, Field(ge=0, le=9)]
VersionName = Annotated[Literal["v1", "v2"], Field(description="the version of the API")]


class ModelRef(BaseModel):
    """A trained model."""

    name: Annotated[str, Field(examples=["cifra-v2"])]
    hash: Annotated[
        str, Field(pattern="^[0-9a-f]{12}$", description="the first digits of its SHA-256")
    ]


class ProportionInterval(BaseModel):
    """Both ends of a 95 % confidence sequence or interval of a share."""

    low: Proportion
    high: Proportion


class DifferenceInterval(BaseModel):
    """Both ends of a 95 % confidence sequence of a difference of shares, in -1..1."""

    low: Difference
    high: Difference
