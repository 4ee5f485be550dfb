"""Labelled pictures in an application's database, as reviewers leave them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from flask import Flask

from app.domain.errors import PictureError
from app.domain.predictions import Digit
from app.imaging.decoding import encode_png
from app.services.accounts import users
from app.services.experiments import lifecycle
from app.services.predictions import predictor
from app.store.engine.db import writing
from app.store.queries import reviews
from app.store.tables import Review
from tests.conftest import parts_of


def submitters(app: Flask, count: int, group: str = "submitter") -> list[int]:
    """The ids of so many new accounts."""
    hasher = parts_of(app).hasher
    with app.app_context():
        return [
            users.register(hasher, f"{group}{number}", "a long password").id
            for number in range(count)
        ]


def label(
    app: Flask, pictures: Iterable[Digit], digits: Iterable[int], senders: Sequence[int]
) -> None:
    """Have pictures sent to the A/B route, in turn by these accounts, and labelled by the admin.

    One that imaging refuses is answered with an error, and there is nothing to label.
    """
    reader = parts_of(app).reader
    with app.app_context():
        split = lifecycle.current_split()
        for number, (picture, digit) in enumerate(zip(pictures, digits, strict=True)):
            sender = senders[number % len(senders)]
            try:
                made = predictor.predict_split(reader, split, sender, encode_png(picture))
            except PictureError:
                continue
            with writing() as session:
                reviews.add(
                    session,
                    Review(
                        experiment_id=split.experiment_id,
                        prediction_id=made.id,
                        reviewer_id=1,
                        is_audit=not made.disagrees,
                        label=int(digit),
                        created_at=datetime.now(UTC),
                    ),
                )
