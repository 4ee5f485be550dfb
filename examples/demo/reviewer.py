"""A simulated reviewer who labels what is in the review queue."""

import json
from pathlib import Path

import numpy as np

from app.domain.errors import ImageError
from app.domain.predictions import image_hash
from app.imaging.decoding import decode
from app.imaging.preprocessing import preprocess
from app.services.reviews.attention_checks import IMAGES_FILE
from cifra_client import Cifra
from examples.demo.images import SampleImage


class KnownLabels:
    """The label of every image that was sent, also in earlier runs, kept in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._labels = _attention_checks()
        if file.exists():
            self._labels |= dict(json.loads(line) for line in file.read_text().splitlines())

    def add(self, image: SampleImage) -> None:
        """Remember the label of an image, by the hash of its normalized form."""
        try:
            image_key = image_hash(preprocess(image.file).digit.tobytes())
        except ImageError:
            return
        self._labels[image_key] = image.digit
        with self._file.open("a") as file:
            file.write(json.dumps([image_key, image.digit]) + "\n")

    def contains(self, image: bytes) -> bool:
        """Return whether this image was sent."""
        return _hash_of(image) in self._labels

    def label(self, image: bytes) -> int | None:
        """Return the digit of a known image, None for no digit."""
        return self._labels[_hash_of(image)]


class SimulatedReviewer:
    """A reviewer's login, with the known labels."""

    def __init__(self, client: Cifra, known_labels: KnownLabels) -> None:
        self._client, self._known_labels = client, known_labels

    def label_next(self) -> bool:
        """Label the next image; return False if none is pending."""
        item = self._client.review_next()
        if item is None:
            return False
        if not self._known_labels.contains(item.image):
            self._client.review(item.prediction_id, skip=True)
            return True
        digit = self._known_labels.label(item.image)
        self._client.review(item.prediction_id, digit=digit, not_a_digit=digit is None)
        return True


def _attention_checks() -> dict[str, int | None]:
    """Return the labels of the attention checks' images."""
    with np.load(IMAGES_FILE) as archive:
        pairs = zip(archive["digits"], archive["labels"], strict=True)
        return {image_hash(digit.tobytes()): int(label) for digit, label in pairs}


def _hash_of(image: bytes) -> str:
    return image_hash(decode(image)[..., 0].tobytes())
