"""Predicting: a picture in, a stored prediction out; the row is there before the answer leaves.

Pictures that arrive together are read together: each step for all of them before the next one.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from app.domain.assignment import TrafficSplit, Version
from app.domain.errors import ImageError
from app.domain.predictions import DigitImage, ModelOutput, Prediction
from app.imaging import decoding as pictures
from app.imaging import normalization
from app.services.models.inference import InferenceService
from app.services.predictions.batch_writer import PredictionRecord, write_batch
from app.services.predictions.request_batcher import RequestBatcher
from app.store.engine.batch_writes import BatchWriter

MAX_BATCH_SIZE = 32

_VERSIONS = tuple(Version)


@dataclass(frozen=True)
class PredictionRequest:
    """A picture that somebody wants read: by one version, or as a split says.

    It is a picture file, or a digit that was found on one.
    """

    user_id: int
    picture: bytes | DigitImage
    version: Version
    begun_s: float
    split: TrafficSplit | None = None

    @property
    def versions(self) -> tuple[Version, ...]:
        """Who is to read it."""
        return (self.version,) if self.split is None else _VERSIONS

    def by(self, split: TrafficSplit) -> "PredictionRequest":
        """The same, to be read as a split says."""
        return replace(self, split=split)


class Predictor:
    """What reads pictures in this process, and what writes the answers down."""

    def __init__(self, inference: InferenceService, groups: BatchWriter) -> None:
        self._inference, self._groups = inference, groups
        self._together = RequestBatcher(self.read_all, MAX_BATCH_SIZE)

    def read(self, asked: PredictionRequest) -> Prediction:
        """Read a picture with what else waits to be read. Raises PictureError."""
        return self._together.submit(asked)

    def read_all(self, group: Sequence[PredictionRequest]) -> list[Prediction | Exception]:
        """Read pictures apart from what else waits: imaging, then each version, then one commit.

        Returns an error in the place of each that could not be read or written.
        """
        found = _preprocess(group)
        good = [
            (asked, digit)
            for asked, digit in zip(group, found, strict=True)
            if not isinstance(digit, ImageError)
        ]
        entries = self._entries(good)
        errors = write_batch(self._groups, entries) if entries else []
        made = iter(error or entry.prediction for entry, error in zip(entries, errors, strict=True))
        return [digit if isinstance(digit, ImageError) else next(made) for digit in found]

    def _entries(
        self, good: Sequence[tuple[PredictionRequest, DigitImage]]
    ) -> list[PredictionRecord]:
        readings: list[dict[Version, ModelOutput]] = [{} for _ in good]
        latencies_us = [0] * len(good)
        for version in _VERSIONS:
            wanted = [at for at, (asked, _) in enumerate(good) if version in asked.versions]
            read = self._inference.predict_many(version, [good[at][1] for at in wanted])
            now_s = time.perf_counter()
            for at, reading in zip(wanted, read, strict=True):
                readings[at][version] = reading
                latencies_us[at] = round((now_s - good[at][0].begun_s) * 1_000_000)
        return [
            self._entry(*each, read, latency_us)
            for each, read, latency_us in zip(good, readings, latencies_us, strict=True)
        ]

    def _entry(
        self,
        asked: PredictionRequest,
        digit: DigitImage,
        read: dict[Version, ModelOutput],
        latency_us: int,
    ) -> PredictionRecord:
        prediction_id, now = uuid7(), datetime.now(UTC)
        if asked.split is None:
            only = asked.version
            made = Prediction(prediction_id, asked.user_id, now, only, read[only], latency_us)
            return PredictionRecord(made, digit)
        # Other models than the split compares are outside of all evidence.
        split = asked.split.for_models((read[Version.V1].model.id, read[Version.V2].model.id))
        drawn = split.assign(asked.user_id, prediction_id)
        prediction = Prediction(
            id=prediction_id,
            user_id=asked.user_id,
            created_at=now,
            version=drawn.version,
            output=read[drawn.version],
            latency_us=latency_us,
            stage_id=split.stage_id,
            assignment_probability=drawn.probability,
            shadow=read[drawn.version.other],
        )
        return PredictionRecord(prediction, digit, split, self._inference.guarded(read, digit))


def predict(reader: Predictor, version: Version, user_id: int, image_bytes: bytes) -> Prediction:
    """Let one version read a picture. Raises PictureError."""
    return reader.read(make_request(user_id, image_bytes, version))


def predict_split(
    reader: Predictor, split: TrafficSplit, user_id: int, image_bytes: bytes
) -> Prediction:
    """Let both versions read a picture; the one that is drawn answers. Raises PictureError.

    Where an experiment runs, a picture on which they disagree is put into its review queue, and
    so is a random one in twenty of the others. One on which a newly deployed model and its
    predecessor disagree is reviewed too.
    """
    return reader.read(make_request(user_id, image_bytes, Version.V1).by(split))


def predict_batch(
    reader: Predictor, version: Version, user_id: int, pictures: Sequence[bytes]
) -> list[Prediction | ImageError]:
    """Let one version read many pictures; in their order, each a prediction or its own error."""
    begun_s, made = time.perf_counter(), list[Prediction | ImageError]()
    asked = [PredictionRequest(user_id, each, version, begun_s) for each in pictures]
    for answer in reader.predict_many(asked):
        if isinstance(answer, Exception) and not isinstance(answer, ImageError):
            raise answer
        made.append(answer)
    return made


def make_request(user_id: int, image_bytes: bytes, version: Version) -> PredictionRequest:
    """What is asked with a picture. Raises PictureError.

    The digit of a large one is found at once, so that nobody else's picture waits for it.
    """
    begun_s = time.perf_counter()
    small = pictures.is_small_png(image_bytes)
    return PredictionRequest(
        user_id, image_bytes if small else normalization.preprocess(image_bytes), version, begun_s
    )


def _preprocess(group: Sequence[PredictionRequest]) -> list[DigitImage | ImageError]:
    """The digit of each; those that come as files are read together."""
    files = [asked.picture for asked in group if isinstance(asked.picture, bytes)]
    read = iter(normalization.preprocess_many(files))
    return [next(read) if isinstance(asked.picture, bytes) else asked.picture for asked in group]
