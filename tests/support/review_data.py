"""Labelled pictures in an application's database, as reviewers leave them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from flask import Flask

from app.domain.errors import ImageError
from app.domain.predictions import DigitImage
from app.imaging.decoding import encode_png
from app.services.accounts import users
from app.services.experiments import lifecycle
from app.services.predictions import predictor
from app.store.engine.db import write_transaction
from app.store.queries import reviews
from app.store.tables import Review
from tests.conftest import container_of


def submitters(app: Flask, count: int, group: str = "submitter") -> list[int]:
    """The ids of so many new accounts."""
    hasher = container_of(app).hasher
    with app.app_context():
        return [
            users.register(hasher, f"{group}{number}", "a long password").id
            for number in range(count)
        ]


def label(
    app: Flask, pictures: Iterable[DigitImage], digits: Iterable[int], senders: Sequence[int]
) -> None:
    """Have pictures sent to the A/B route, in turn by these accounts, and labelled by the admin.

    One that imaging refuses is answered with an error, and there is nothing to label.
    """
    reader = container_of(app).predictor
    with app.app_context():
        split = lifecycle.current_split()
        for number, (picture, digit) in enumerate(zip(pictures, digits, strict=True)):
            sender = senders[number % len(senders)]
            try:
                made = predictor.predict_split(reader, split, sender, encode_png(picture))
            except ImageError:
                continue
            with write_transaction() as session:
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
