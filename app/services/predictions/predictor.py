"""Predicting: a picture in, a stored prediction out; the row is there before the answer leaves.

Pictures that arrive together are read together: each step for all of them before the next one.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from app.domain.assignment import Split, Version
from app.domain.errors import PictureError
from app.domain.predictions import Digit, ModelOutput, Prediction
from app.imaging import decoding as pictures
from app.imaging import normalization
from app.services.models.inference import InferenceService
from app.services.predictions.batch_writer import Entry, record
from app.services.predictions.request_batcher import Combiner
from app.store.engine.batch_writes import GroupWriter

MOST_TOGETHER = 32

_BOTH = tuple(Version)


@dataclass(frozen=True)
class Asked:
    """A picture that somebody wants read: by one version, or as a split says.

    It is a picture file, or a digit that was found on one.
    """

    user_id: int
    picture: bytes | Digit
    version: Version
    begun_s: float
    split: Split | None = None

    @property
    def versions(self) -> tuple[Version, ...]:
        """Who is to read it."""
        return (self.version,) if self.split is None else _BOTH

    def by(self, split: Split) -> "Asked":
        """The same, to be read as a split says."""
        return replace(self, split=split)


class Reader:
    """What reads pictures in this process, and what writes the answers down."""

    def __init__(self, inference: InferenceService, groups: GroupWriter) -> None:
        self._inference, self._groups = inference, groups
        self._together = Combiner(self.read_all, MOST_TOGETHER)

    def read(self, asked: Asked) -> Prediction:
        """Read a picture with what else waits to be read. Raises PictureError."""
        return self._together.do(asked)

    def read_all(self, group: Sequence[Asked]) -> list[Prediction | Exception]:
        """Read pictures apart from what else waits: imaging, then each version, then one commit.

        Returns an error in the place of each that could not be read or written.
        """
        found = _find(group)
        good = [
            (asked, digit)
            for asked, digit in zip(group, found, strict=True)
            if not isinstance(digit, PictureError)
        ]
        entries = self._entries(good)
        errors = record(self._groups, entries) if entries else []
        made = iter(error or entry.prediction for entry, error in zip(entries, errors, strict=True))
        return [digit if isinstance(digit, PictureError) else next(made) for digit in found]

    def _entries(self, good: Sequence[tuple[Asked, Digit]]) -> list[Entry]:
        readings: list[dict[Version, ModelOutput]] = [{} for _ in good]
        latencies_us = [0] * len(good)
        for version in _BOTH:
            wanted = [at for at, (asked, _) in enumerate(good) if version in asked.versions]
            read = self._inference.read_all(version, [good[at][1] for at in wanted])
            now_s = time.perf_counter()
            for at, reading in zip(wanted, read, strict=True):
                readings[at][version] = reading
                latencies_us[at] = round((now_s - good[at][0].begun_s) * 1_000_000)
        return [
            self._entry(*each, read, latency_us)
            for each, read, latency_us in zip(good, readings, latencies_us, strict=True)
        ]

    def _entry(
        self, asked: Asked, digit: Digit, read: dict[Version, ModelOutput], latency_us: int
    ) -> Entry:
        prediction_id, now = uuid7(), datetime.now(UTC)
        if asked.split is None:
            only = asked.version
            made = Prediction(prediction_id, asked.user_id, now, only, read[only], latency_us)
            return Entry(made, digit)
        # Other models than the split compares are outside of all evidence.
        split = asked.split.of_models((read[Version.V1].model.id, read[Version.V2].model.id))
        drawn = split.draw(asked.user_id, prediction_id)
        prediction = Prediction(
            id=prediction_id,
            user_id=asked.user_id,
            created_at=now,
            version=drawn.version,
            reading=read[drawn.version],
            latency_us=latency_us,
            stage_id=split.stage_id,
            assignment_probability=drawn.probability,
            shadow=read[drawn.version.other],
        )
        return Entry(prediction, digit, split, self._inference.guarded(read, digit))


def predict(reader: Reader, version: Version, user_id: int, image_bytes: bytes) -> Prediction:
    """Let one version read a picture. Raises PictureError."""
    return reader.read(asking(user_id, image_bytes, version))


def predict_split(reader: Reader, split: Split, user_id: int, image_bytes: bytes) -> Prediction:
    """Let both versions read a picture; the one that is drawn answers. Raises PictureError.

    Where an experiment runs, a picture on which they disagree is put into its review queue, and
    so is a random one in twenty of the others. One on which a newly deployed model and its
    predecessor disagree is reviewed too.
    """
    return reader.read(asking(user_id, image_bytes, Version.V1).by(split))


def predict_batch(
    reader: Reader, version: Version, user_id: int, pictures: Sequence[bytes]
) -> list[Prediction | PictureError]:
    """Let one version read many pictures; in their order, each a prediction or its own error."""
    begun_s, made = time.perf_counter(), list[Prediction | PictureError]()
    asked = [Asked(user_id, each, version, begun_s) for each in pictures]
    for answer in reader.read_all(asked):
        if isinstance(answer, Exception) and not isinstance(answer, PictureError):
            raise answer
        made.append(answer)
    return made


def asking(user_id: int, image_bytes: bytes, version: Version) -> Asked:
    """What is asked with a picture. Raises PictureError.

    The digit of a large one is found at once, so that nobody else's picture waits for it.
    """
    begun_s = time.perf_counter()
    small = pictures.is_small(image_bytes)
    return Asked(
        user_id, image_bytes if small else normalization.read(image_bytes), version, begun_s
    )


def _find(group: Sequence[Asked]) -> list[Digit | PictureError]:
    """The digit of each; those that come as files are read together."""
    files = [asked.picture for asked in group if isinstance(asked.picture, bytes)]
    read = iter(normalization.read_all(files))
    return [next(read) if isinstance(asked.picture, bytes) else asked.picture for asked in group]
