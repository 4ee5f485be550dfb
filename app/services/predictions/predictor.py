"""Predict digits and store each prediction before its response is sent.

Images that arrive together are processed together: each step for all of them before the next one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from uuid_utils.compat import uuid7

from app.domain.assignment import TrafficSplit, Version
from app.domain.errors import ImageError
from app.domain.predictions import ModelOutput, Prediction
from app.imaging.decoder_pool import DecodeBudget, DecoderPool, ImageFile
from app.imaging.decoding import is_small_png
from app.imaging.preprocessing import NotPlain, Preprocessed, preprocess_many
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

    The image is the bytes of an image file, or what was already preprocessed from one.
    `started_at_s` is of the clock `time.perf_counter`.
    """

    user_id: int
    image: bytes | Preprocessed
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
        self._batcher = RequestBatcher(self.predict_plain, MAX_BATCH_SIZE)

    def make_request(self, user_id: int, image: ImageFile, version: Version) -> PredictionRequest:
        """Return the request for an image. Raises ImageError and Unavailable.

        A large image is preprocessed at once, so that it does not delay the small ones of a batch.
        """
        started_at_s = time.perf_counter()
        if isinstance(image, bytes) and is_small_png(image):
            return PredictionRequest(user_id, image, version, started_at_s)
        found = self._decoder_pool.preprocess(image)
        return PredictionRequest(user_id, found, version, started_at_s)

    def predict(self, request: PredictionRequest) -> Prediction:
        """Predict an image in a batch with concurrent requests. Raises ImageError, Unavailable."""
        try:
            return self._batcher.submit(request)
        except NotPlain:
            return self.predict_not_plain(request)

    def predict_not_plain(self, request: PredictionRequest) -> Prediction:
        """Find the digit of an image, then predict it in a batch. Raises ImageError."""
        assert isinstance(request.image, bytes)  # noqa: S101  for the type checker
        found = self._decoder_pool.preprocess(request.image)
        return self._batcher.submit(replace(request, image=found))

    def predict_plain(self, requests: Sequence[PredictionRequest]) -> list[Prediction | Exception]:
        """Predict images as one batch, NotPlain for those that need the ink network.

        It takes milliseconds, for which the other images of a batch shall not wait.
        """
        return self.predict_many(requests, _leave_out)

    def predict_many(
        self, requests: Sequence[PredictionRequest], read: Callable[[bytes], Preprocessed]
    ) -> list[Prediction | Exception]:
        """Predict images as one batch: imaging, then each version, then one commit.

        `read` preprocesses what is not plain. Returns, in their order, a prediction for each, or
        the error that stopped it.
        """
        digits = _preprocess(requests, read)
        valid = [
            (request, digit)
            for request, digit in zip(requests, digits, strict=True)
            if isinstance(digit, Preprocessed)
        ]
        records = self._run_models(valid)
        errors = write_batch(self._batch_writer, records) if records else []
        results = iter(
            error or record.prediction for record, error in zip(records, errors, strict=True)
        )
        return [next(results) if isinstance(digit, Preprocessed) else digit for digit in digits]

    def predict_files(
        self, requests: Sequence[PredictionRequest], budget: DecodeBudget
    ) -> list[Prediction | Exception]:
        """Predict the images of one request as one batch, within a budget for decoding them."""
        return self.predict_many(requests, partial(self._decoder_pool.preprocess, budget=budget))

    def _run_models(
        self, valid: Sequence[tuple[PredictionRequest, Preprocessed]]
    ) -> list[PredictionRecord]:
        outputs: list[dict[Version, ModelOutput]] = [{} for _ in valid]
        latencies_us = [0] * len(valid)
        for version in _VERSIONS:
            indices = [at for at, (request, _) in enumerate(valid) if version in request.versions]
            found = self._inference.predict_many(version, [valid[at][1].digit for at in indices])
            now_s = time.perf_counter()
            for at, output in zip(indices, found, strict=True):
                outputs[at][version] = output
                latencies_us[at] = round((now_s - valid[at][0].started_at_s) * 1_000_000)
        return [
            self._record(request, preprocessed, by_version, latency_us)
            for (request, preprocessed), by_version, latency_us in zip(
                valid, outputs, latencies_us, strict=True
            )
        ]

    def _record(
        self,
        request: PredictionRequest,
        preprocessed: Preprocessed,
        outputs: dict[Version, ModelOutput],
        latency_us: int,
    ) -> PredictionRecord:
        prediction_id, now, user_id = uuid7(), datetime.now(UTC), request.user_id
        digit, is_doubtful = preprocessed.digit, preprocessed.is_doubtful
        if request.split is None:
            direct = Prediction(
                id=prediction_id,
                user_id=user_id,
                created_at=now,
                version=request.version,
                output=outputs[request.version],
                latency_us=latency_us,
                is_doubtful=is_doubtful,
            )
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
            is_doubtful=is_doubtful,
        )
        comparisons = self._inference.shadow_predictions(outputs, digit)
        return PredictionRecord(prediction, digit, split, comparisons)


def _preprocess(
    requests: Sequence[PredictionRequest], read: Callable[[bytes], Preprocessed]
) -> list[Preprocessed | Exception]:
    """Return the digit of each request; plain image files are preprocessed together."""
    files = [request.image for request in requests if isinstance(request.image, bytes)]
    digits = iter(preprocess_many(files, read))
    return [
        next(digits) if isinstance(request.image, bytes) else request.image for request in requests
    ]


def _leave_out(_image_bytes: bytes) -> Preprocessed:
    raise NotPlain


def predict(predictor: Predictor, version: Version, user_id: int, image: ImageFile) -> Prediction:
    """Predict an image with one version. Raises ImageError."""
    return predictor.predict(predictor.make_request(user_id, image, version))


def predict_split(
    predictor: Predictor, split: TrafficSplit, user_id: int, image: ImageFile
) -> Prediction:
    """Predict an image with both versions; the assigned one answers. Raises ImageError.

    While an experiment runs, the images on which the versions disagree are queued for review, and
    so is a random one in twenty of the others. Images on which a newly deployed model and its
    predecessor disagree are reviewed too.
    """
    request = predictor.make_request(user_id, image, Version.V1)
    return predictor.predict(request.with_split(split))


def predict_batch(
    predictor: Predictor, version: Version, user_id: int, images: Sequence[bytes]
) -> list[Prediction | ImageError]:
    """Predict many images with one version; returns a prediction or an error for each, in order.

    Once decoding has taken BATCH_DECODE_BUDGET_S, further large images are ImageTooLarge.
    """
    started_at_s, predictions = time.perf_counter(), list[Prediction | ImageError]()
    requests = [PredictionRequest(user_id, image, version, started_at_s) for image in images]
    for result in predictor.predict_files(requests, DecodeBudget(BATCH_DECODE_BUDGET_S)):
        if isinstance(result, Exception) and not isinstance(result, ImageError):
            raise result
        predictions.append(result)
    return predictions
