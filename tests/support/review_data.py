"""Labeled images in an application's database."""

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


def create_submitters(app: Flask, count: int, group: str = "submitter") -> list[int]:
    """Create accounts; return their ids."""
    hasher = container_of(app).hasher
    with app.app_context():
        return [
            users.register(hasher, f"{group}{number}", "a long password").id
            for number in range(count)
        ]


def label_images(
    app: Flask, images: Iterable[DigitImage], digits: Iterable[int], submitter_ids: Sequence[int]
) -> None:
    """Submit images to the A/B route, in turn as these accounts, and label them as the admin.

    Images that imaging rejects are not labeled.
    """
    reader = container_of(app).predictor
    with app.app_context():
        split = lifecycle.current_split()
        for number, (image, digit) in enumerate(zip(images, digits, strict=True)):
            submitter_id = submitter_ids[number % len(submitter_ids)]
            try:
                prediction = predictor.predict_split(reader, split, submitter_id, encode_png(image))
            except ImageError:
                continue
            with write_transaction() as session:
                reviews.add(
                    session,
                    Review(
                        experiment_id=split.experiment_id,
                        prediction_id=prediction.id,
                        reviewer_id=1,
                        is_audit=not prediction.disagrees,
                        label=int(digit),
                        created_at=datetime.now(UTC),
                    ),
                )
