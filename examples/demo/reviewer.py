"""Somebody who labels what the queue asks about, by what they see on the image."""

import json
from pathlib import Path

import numpy as np

from app.domain.errors import ImageError
from app.domain.predictions import image_hash
from app.imaging import normalization
from app.imaging.decoding import decode
from app.services.reviews.attention_checks import IMAGES_FILE
from cifra_client import Cifra
from examples.demo.images import SampleImage


class KnownLabels:
    """Knows what is on every image that was sent, also by those who sent it in earlier runs.

    People see what a image shows; a program has to be told, and keeps it in a file.
    """

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self._shows = _attention_checks()
        if notes.exists():
            self._shows |= dict(json.loads(line) for line in notes.read_text().splitlines())

    def remember(self, image: SampleImage) -> None:
        """Remember what a image shows, by what the models see of it."""
        try:
            seen = image_hash(normalization.preprocess(image.file).tobytes())
        except ImageError:
            return
        self._shows[seen] = image.shows
        with self._notes.open("a") as notes:
            notes.write(json.dumps([seen, image.shows]) + "\n")

    def knows(self, image: bytes) -> bool:
        """Whether this image was seen before."""
        return _hash_of(image) in self._shows

    def see(self, image: bytes) -> int | None:
        """The digit on an image that is known, None for no digit."""
        return self._shows[_hash_of(image)]


class SimulatedReviewer:
    """A login that labels, and the eyes behind it."""

    def __init__(self, client: Cifra, eyes: KnownLabels) -> None:
        self._client, self._eyes = client, eyes

    def label_next(self) -> bool:
        """Label the image that is next; False where none waits."""
        item = self._client.review_next()
        if item is None:
            return False
        if not self._eyes.knows(item.image):
            self._client.review(item.prediction_id, skip=True)
            return True
        digit = self._eyes.see(item.image)
        self._client.review(item.prediction_id, digit=digit, not_a_digit=digit is None)
        return True


def _attention_checks() -> dict[str, int | None]:
    """The digits that reviewers are tried with: known as whoever can read knows them."""
    with np.load(IMAGES_FILE) as archive:
        pairs = zip(archive["digits"], archive["labels"], strict=True)
        return {image_hash(digit.tobytes()): int(label) for digit, label in pairs}


def _hash_of(image: bytes) -> str:
    plane = decode(image) * np.float32(255)
    return image_hash(np.rint(plane).astype(np.uint8).tobytes())
