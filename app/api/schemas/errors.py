"""Short answers, and the body that every error has."""

from typing import Annotated

from pydantic import BaseModel, Field

_Title = Annotated[str, Field(description="what kind of problem it is", examples=["Not found"])]
_LegacyMessage = Annotated[str, Field(description="what happened, as old clients show it")]
_Detail = Annotated[str, Field(description="what happened, for people")]


class Message(BaseModel):
    """That it was done."""

    msg: Annotated[str, Field(description="what was done, for people")]


class Status(BaseModel):
    """That the process answers."""

    status: Annotated[str, Field(examples=["ok"])]


class _ProblemDetails(BaseModel):
    """The fields of RFC 9457."""

    type: Annotated[str, Field(pattern="^urn:cifra:problem:", description="the title as a URN")]
    title: _Title
    status: Annotated[int, Field(ge=400, le=599, description="the HTTP status")]
    detail: _Detail
    request_id: Annotated[str, Field(max_length=64, description="as in the header X-Request-ID")]


class Problem(_ProblemDetails):
    """An error."""

    msg: _LegacyMessage


class PredictProblem(_ProblemDetails):
    """An error on a predict route; `error` is in Spanish where it is about the picture."""

    error: _LegacyMessage


class ImageProblem(BaseModel):
    """What was wrong with one picture of a batch."""

    error: _LegacyMessage
    status: Annotated[int, Field(ge=400, le=499, description="what it would be by itself")]
    title: _Title
    detail: _Detail
