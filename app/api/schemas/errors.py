"""Short responses, and the body of every error."""

from typing import Annotated

from pydantic import BaseModel, Field

_Title = Annotated[str, Field(description="short name of the problem type", examples=["Not found"])]
_LegacyMessage = Annotated[str, Field(description="error message for old clients")]
_Detail = Annotated[str, Field(description="error message")]


class Message(BaseModel):
    """A confirmation."""

    msg: Annotated[str, Field(description="message")]


class Status(BaseModel):
    """The state of the process."""

    status: Annotated[str, Field(examples=["ok"])]


class _ProblemDetails(BaseModel):
    """The fields of RFC 9457."""

    type: Annotated[str, Field(pattern="^urn:cifra:problem:", description="the title as a URN")]
    title: _Title
    status: Annotated[int, Field(ge=400, le=599, description="HTTP status code")]
    detail: _Detail
    request_id: Annotated[str, Field(max_length=64, description="same as the header X-Request-ID")]


class Problem(_ProblemDetails):
    """An error in the form of RFC 9457, with `msg` for old clients."""

    msg: _LegacyMessage


class PredictProblem(_ProblemDetails):
    """An error on a predict route, with `error` for old clients; image errors are in Spanish."""

    error: _LegacyMessage


class ImageProblem(BaseModel):
    """The error of one image in a batch."""

    error: _LegacyMessage
    status: Annotated[
        int, Field(ge=400, le=499, description="HTTP status code of the same image sent alone")
    ]
    title: _Title
    detail: _Detail
