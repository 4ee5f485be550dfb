"""Predict digits and store each prediction before its response is sent.

Images that arrive together are processed together: each step for all of them before the next one.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from uuid_utils.compat import uuid7

from app.domain.assignment import TrafficSplit, Version
from app.domain.errors import ImageError
from app.domain.predictions import DigitImage, ModelOutput, Prediction
from app.imaging import normalization
from app.imaging.decoder_pool import DecodeBudget, DecoderPool
from app.imaging.decoding import is_small_png
from app.services.models.inference import InferenceService
from app.services.predictions.batch_writer import PredictionRecord, write_batch
from app.services.predictions.request_batcher import RequestBatcher
from app.store.engine.batch_writes import BatchWriter

MAX_BATCH_SIZE = 32
BATCH_DECODE_BUDGET_S = 10.0  # of processor time, for all images of a batch together

_VERSIONS = tuple(Version)


@dataclass(frozen=True)
class PredictionRequest:
    """An image to predict with one version, or with both if there is a split.

    The image is the bytes of an image file, or the digit image already made from one.
    `started_at_s` is of the clock `time.perf_counter`.
    """

    user_id: int
    image: bytes | DigitImage
    version: Version
    started_at_s: float
    split: TrafficSplit | None = None

    @property
    def versions(self) -> tuple[Version, ...]:
        """Return the versions that predict the image."""
        return (self.version,) if self.split is None else _VERSIONS

    def with_split(self, split: TrafficSplit) -> "PredictionRequest":
        """Return the same request as A/B traffic."""
        return replace(self, split=split)


class Predictor:
    """Predicts images in this process and stores the predictions, both in batches."""

    def __init__(
        self, inference: InferenceService, batch_writer: BatchWriter, decoder_pool: DecoderPool
    ) -> None:
        self._inference, self._batch_writer = inference, batch_writer
        self._decoder_pool = decoder_pool
        self._batcher = RequestBatcher(self.predict_many, MAX_BATCH_SIZE)

    def make_request(self, user_id: int, image_bytes: bytes, version: Version) -> PredictionRequest:
        """Return the request for an image. Raises ImageError and Unavailable.

        A large image is preprocessed at once, so that it does not delay the small ones of a batch.
        """
        started_at_s = time.perf_counter()
        if is_small_png(image_bytes):
            return PredictionRequest(user_id, image_bytes, version, started_at_s)
        image = normalization.normalize(self._decoder_pool.decode(image_bytes))
        return PredictionRequest(user_id, image, version, started_at_s)

    def predict(self, request: PredictionRequest) -> Prediction:
        """Predict an image in a batch with concurrent requests. Raises ImageError."""
        return self._batcher.submit(request)

    def predict_many(
        self, requests: Sequence[PredictionRequest], budget: DecodeBudget | None = None
    ) -> list[Prediction | Exception]:
        """Predict images as one batch: imaging, then each version, then one commit.

        Returns, in their order, a prediction for each, or the error that stopped it.
        """
        digits = self._preprocess(requests, budget)
        valid = [
            (request, digit)
            for request, digit in zip(requests, digits, strict=True)
            if not isinstance(digit, ImageError)
        ]
        records = self._run_models(valid)
        errors = write_batch(self._batch_writer, records) if records else []
        results = iter(
            error or record.prediction for record, error in zip(records, errors, strict=True)
        )
        return [digit if isinstance(digit, ImageError) else next(results) for digit in digits]

    def _preprocess(
        self, requests: Sequence[PredictionRequest], budget: DecodeBudget | None
    ) -> list[DigitImage | ImageError]:
        """Return the digit image of each request; image files are preprocessed together."""
        files = [request.image for request in requests if isinstance(request.image, bytes)]
        decode = partial(self._decoder_pool.decode, budget=budget)
        digits = iter(normalization.preprocess_many(files, decode))
        return [
            next(digits) if isinstance(request.image, bytes) else request.image
            for request in requests
        ]

    def _run_models(
        self, valid: Sequence[tuple[PredictionRequest, DigitImage]]
    ) -> list[PredictionRecord]:
        outputs: list[dict[Version, ModelOutput]] = [{} for _ in valid]
        latencies_us = [0] * len(valid)
        for version in _VERSIONS:
            indices = [at for at, (request, _) in enumerate(valid) if version in request.versions]
            found = self._inference.predict_many(version, [valid[at][1] for at in indices])
            now_s = time.perf_counter()
            for at, output in zip(indices, found, strict=True):
                outputs[at][version] = output
                latencies_us[at] = round((now_s - valid[at][0].started_at_s) * 1_000_000)
        return [
            self._record(request, digit, by_version, latency_us)
            for (request, digit), by_version, latency_us in zip(
                valid, outputs, latencies_us, strict=True
            )
        ]

    def _record(
        self,
        request: PredictionRequest,
        digit: DigitImage,
        outputs: dict[Version, ModelOutput],
        latency_us: int,
    ) -> PredictionRecord:
        prediction_id, now, user_id = uuid7(), datetime.now(UTC), request.user_id
        if request.split is None:
            version = request.version
            direct = Prediction(prediction_id, user_id, now, version, outputs[version], latency_us)
            return PredictionRecord(direct, digit)
        # If a deployment changed a model meanwhile, the prediction is no evidence for the test.
        split = request.split.for_models(
            (outputs[Version.V1].model.id, outputs[Version.V2].model.id)
        )
        assignment = split.assign(user_id, prediction_id)
        prediction = Prediction(
            id=prediction_id,
            user_id=user_id,
            created_at=now,
            version=assignment.version,
            output=outputs[assignment.version],
            latency_us=latency_us,
            stage_id=split.stage_id,
            assignment_probability=assignment.probability,
            shadow=outputs[assignment.version.other],
        )
        comparisons = self._inference.shadow_predictions(outputs, digit)
        return PredictionRecord(prediction, digit, split, comparisons)


def predict(predictor: Predictor, version: Version, user_id: int, image_bytes: bytes) -> Prediction:
    """Predict an image with one version. Raises ImageError."""
    return predictor.predict(predictor.make_request(user_id, image_bytes, version))


def predict_split(
    predictor: Predictor, split: TrafficSplit, user_id: int, image_bytes: bytes
) -> Prediction:
    """Predict an image with both versions; the assigned one answers. Raises ImageError.

    While an experiment runs, the images on which the versions disagree are queued for review, and
    so is a random one in twenty of the others. Images on which a newly deployed model and its
    predecessor disagree are reviewed too.
    """
    request = predictor.make_request(user_id, image_bytes, Version.V1)
    return predictor.predict(request.with_split(split))


def predict_batch(
    predictor: Predictor, version: Version, user_id: int, images: Sequence[bytes]
) -> list[Prediction | ImageError]:
    """Predict many images with one version; returns a prediction or an error for each, in order.

    Once decoding has taken BATCH_DECODE_BUDGET_S, further large images are ImageTooLarge.
    """
    started_at_s, predictions = time.perf_counter(), list[Prediction | ImageError]()
    requests = [PredictionRequest(user_id, image, version, started_at_s) for image in images]
    for result in predictor.predict_many(requests, DecodeBudget(BATCH_DECODE_BUDGET_S)):
        if isinstance(result, Exception) and not isinstance(result, ImageError):
            raise result
        predictions.append(result)
    return predictions
