"""Request and response bodies for blind review."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.api.http.contract import require_fields
from app.api.schemas.request_fields import DIGIT_FIELD, FLAG_FIELD, Digit, Flag
from app.api.schemas.response_fields import Count, Id
from app.domain.errors import InvalidInput
from app.domain.review_labels import NOT_A_DIGIT, SKIPPED


class ReviewRequest(BaseModel):
    """A reviewer's label of an image: a digit, not a digit, or a skip."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                require_fields(digit={"type": "integer"}),
                require_fields(not_a_digit={"const": True}),
                require_fields(skip={"const": True}),
            ]
        }
    )

    digit: Annotated[Digit | None, DIGIT_FIELD] = None
    not_a_digit: Annotated[Flag, FLAG_FIELD] = False
    skip: Annotated[Flag, FLAG_FIELD] = False

    @property
    def label(self) -> int:
        """The one label that was sent. Raises InvalidInput for none or several."""
        labels = [NOT_A_DIGIT] * self.not_a_digit + [SKIPPED] * self.skip
        labels += [] if self.digit is None else [self.digit]
        if len(labels) != 1:
            raise InvalidInput("One of digit, not_a_digit and skip is required")
        return labels[0]


class ReviewItem(BaseModel):
    """An image to label; the versions' predictions are not shown."""

    prediction_id: UUID
    image: Annotated[str, Field(pattern="^data:image/png;base64,", description="28x28 pixels")]
    leased_until: Annotated[
        datetime, Field(description="until then no other reviewer is given this image")
    ]


class ReviewQueue(BaseModel):
    """The size of the review queue, and the next item for this reviewer."""

    pending: Annotated[Count, Field(description="images in the queue")]
    user_flagged: Annotated[
        Count, Field(description="of these, images flagged by user feedback; not in the experiment")
    ]
    item: Annotated[
        ReviewItem | None, Field(description="null if there is nothing to review for you")
    ]


class ReviewerReliability(BaseModel):
    """A reviewer's result on attention checks, which are images with known digits."""

    reviewer_id: Id
    answered: Count
    correct: Count
    is_reliable: Annotated[
        bool, Field(description="whether the reviewer's labels are used for training")
    ]


class ReviewerList(BaseModel):
    """Every reviewer who has answered an attention check."""

    reviewers: list[ReviewerReliability]
