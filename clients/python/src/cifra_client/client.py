"""The client: a method for each operation of the API."""

import base64
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self, TypeVar

from cifra_client import live
from cifra_client.errors import ImageRejected, TimedOut
from cifra_client.events import Event
from cifra_client.loading import load
from cifra_client.reports import Report
from cifra_client.responses import (
    Account,
    Alert,
    Deployment,
    PastPrediction,
    Prediction,
    RetrainJob,
    ReviewItem,
)
from cifra_client.transport import File, Transport

TIMEOUT_S = 30.0
RETRAIN_TIMEOUT_S = 1_800.0
POLL_INTERVAL_S = 0.5
PAGE_SIZE = 100

ImageSource = bytes | Path | BinaryIO
Route = Literal["v1", "v2", "ab"]
Version = Literal["v1", "v2"]

_T = TypeVar("_T")


class Cifra:
    """A login to one Cifra server; may be used from several threads.

    Every method raises Unreachable if no response arrives within `timeout_s`, ApiError with the
    server's message, and NotLoggedIn before `login`. `errors` shows the whole tree.
    """

    def __init__(self, url: str = "http://127.0.0.1:5000", timeout_s: float = TIMEOUT_S) -> None:
        self._transport = Transport(url, timeout_s)
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the login stays valid until `logout` or its expiry."""
        self._transport.close()

    def register(self, username: str, password: str, email: str | None = None) -> Account:
        """Create an account. Raises Conflict if the name is taken, InvalidInput."""
        body = {"username": username, "password": password, "email": email}
        return load(Account, self._transport.call_without_login("POST", "/register", body))

    def login(self, username: str, password: str) -> None:
        """Log in; tokens are kept in memory and renewed when they expire.

        Raises NotAuthenticated, or NotAllowed for a locked account.
        """
        self._transport.log_in(username, password)

    def logout(self) -> None:
        """End the login, here and on the server."""
        self._transport.call("POST", "/logout")
        self._transport.discard_tokens()

    def predict(self, image: ImageSource, via: Route = "v2") -> Prediction:
        """Predict the digit of an image with a version, or with the one that the A/B test assigns.

        Raises ImageRejected if no single digit can be found in it.
        """
        parts = [_form_part(image)]
        return load(Prediction, self._transport.call("POST", f"/api/{via}/predict", files=parts))

    def predict_batch(self, images: Iterable[ImageSource]) -> list[Prediction | ImageRejected]:
        """Predict up to 256 images with v2; return a prediction or an error for each, in body."""
        parts = [_form_part(image) for image in images]
        response = self._transport.call("POST", "/api/v2/predict/batch", files=parts)
        return [_prediction_or_error(result) for result in response["results"]]

    def feedback(
        self,
        prediction_id: str,
        *,
        correct: bool | None = None,
        digit: int | None = None,
        not_a_digit: bool = False,
        comment: str | None = None,
        replace: bool = False,
    ) -> None:
        """Rate a prediction, or name the digit that it should have been, or say that there is none.

        Raises NotFound for a prediction of somebody else, Unprocessable for contradictory feedback,
        and Conflict if feedback was given already and `replace` is not set.
        """
        body = {"correct": correct, "digit": digit, "comment": comment}
        body |= {"prediction_id": prediction_id, "not_a_digit": not_a_digit, "replace": replace}
        self._transport.call("POST", "/feedback", body)

    def history(self, limit: int | None = None) -> Iterator[PastPrediction]:
        """Iterate over one's own predictions, newest first; pages are fetched as needed."""
        return islice(self._iterate_history(), limit)

    def image(self, prediction_id: str) -> bytes:
        """Return the 28x28 image that the models saw, a PNG. Raises NotFound."""
        return self._transport.fetch("GET", f"/predictions/{prediction_id}/image").content

    def erase(self, prediction_id: str) -> None:
        """Erase a prediction's image, and the feedback on it. Raises NotFound."""
        self._transport.call("DELETE", f"/predictions/{prediction_id}")

    def erase_account(self) -> None:
        """Erase one's own account with all its data."""
        self._transport.call("DELETE", "/me")
        self._transport.discard_tokens()

    def subscribe(self, on_event: Callable[[Event], None] | None = None) -> live.Subscription:
        """Subscribe to live events: iterate over the result, or pass a callback.

        Returns once connected. Admins receive all events, others those of their own predictions.
        """
        events = live.Subscription(self._transport, self._timeout_s)
        if on_event is not None:
            live.call_for_each(events, on_event)
        return events

    def review_next(self) -> ReviewItem | None:
        """Return the next image to review, leased for two minutes; None if none. For reviewers."""
        response = self._transport.call("GET", "/admin/review")
        item = response["item"]
        return item and ReviewItem(
            prediction_id=item["prediction_id"],
            image=base64.b64decode(item["image"].partition(",")[2]),
            leased_until=datetime.fromisoformat(item["leased_until"]),
            pending=response["pending"],
            user_flagged=response["user_flagged"],
        )

    def review(
        self,
        prediction_id: str,
        *,
        digit: int | None = None,
        not_a_digit: bool = False,
        skip: bool = False,
    ) -> None:
        """Label an image that `review_next` returned, or skip it. For reviewers.

        Raises NotFound or Conflict for an image that is not leased to you.
        """
        body = {"digit": digit, "not_a_digit": not_a_digit, "skip": skip}
        self._transport.call("POST", f"/admin/review/{prediction_id}", body)

    def undo_review(self, prediction_id: str) -> None:
        """Undo one's last label. Raises Conflict for any other. For reviewers."""
        self._transport.call("DELETE", f"/admin/review/{prediction_id}")

    def report(self) -> Report:
        """Return the report: feedback, and which version is better. For admins."""
        return load(Report, self._transport.call("GET", "/admin/report"))

    def retrain(
        self, version: Version = "v2", deploy: Literal["auto", "manual"] = "auto"
    ) -> RetrainJob:
        """Start a retrain of a version on reviewed images. For admins.

        Raises Conflict while another retrain runs, Unprocessable if there are too few labels.
        """
        body = {"version": version, "deploy": deploy}
        return self.get_retrain(self._transport.call("POST", "/admin/retrain", body)["job_id"])

    def get_retrain(self, job_id: int) -> RetrainJob:
        """Return a retrain job. Raises NotFound. For admins."""
        return load(RetrainJob, self._transport.call("GET", f"/admin/retrain/{job_id}"))

    def retrains(self) -> list[RetrainJob]:
        """Return the last retrain jobs, newest first. For admins."""
        return self._list(RetrainJob, "/admin/retrain", "jobs")

    def wait(
        self,
        job: RetrainJob,
        timeout_s: float = RETRAIN_TIMEOUT_S,
        on_progress: Callable[[RetrainJob], None] | None = None,
    ) -> RetrainJob:
        """Wait until a retrain job has ended, successfully or not. Raises TimedOut. For admins."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            if on_progress is not None:
                on_progress(job)
            if job.is_over:
                return job
            if time.monotonic() > deadline_s:
                raise TimedOut(f"retrain {job.id} is still {job.status} after {timeout_s} s")
            time.sleep(POLL_INTERVAL_S)
            job = self.get_retrain(job.id)

    def cancel_retrain(self, job_id: int) -> RetrainJob:
        """Cancel a retrain job. Raises Conflict if it has ended. For admins."""
        return load(RetrainJob, self._transport.call("POST", f"/admin/retrain/{job_id}/cancel"))

    def deployments(self) -> list[Deployment]:
        """Return the deployments, newest first. For admins."""
        return self._list(Deployment, "/admin/deployments", "deployments")

    def roll_back(self, version: Version) -> Deployment:
        """Roll a version's last deployment back. Raises Conflict if there is none. For admins."""
        return load(Deployment, self._transport.call("POST", f"/admin/versions/{version}/rollback"))

    def alerts(self) -> list[Alert]:
        """Return the alerts, newest first. For admins."""
        return self._list(Alert, "/admin/alerts", "alerts")

    def set_role(self, user_id: int, role: Literal["user", "reviewer", "admin"]) -> Account:
        """Set an account's role. Raises NotFound, or Conflict for the last admin. For admins."""
        return load(
            Account, self._transport.call("PATCH", f"/admin/users/{user_id}", {"role": role})
        )

    def _list(self, dataclass_type: type[_T], path: str, key: str) -> list[_T]:
        return [load(dataclass_type, each) for each in self._transport.call("GET", path)[key]]

    def _iterate_history(self) -> Iterator[PastPrediction]:
        query = {"limit": str(PAGE_SIZE)}
        while True:
            page = self._transport.call("GET", "/predictions", query=query)
            yield from (load(PastPrediction, each) for each in page["predictions"])
            if page["next_before"] is None:
                return
            query["before"] = page["next_before"]


def _form_part(image: ImageSource) -> File:
    """Return an image as a form part; a file is read once, so that it can be sent again."""
    if isinstance(image, bytes):
        return "file", ("image", image)
    if isinstance(image, Path):
        return "file", (image.name, image.read_bytes())
    return "file", ("image", image.read())


def _prediction_or_error(result: dict[str, Any]) -> Prediction | ImageRejected:
    if "error" in result:
        return ImageRejected(result["status"], result["title"], result["detail"])
    return load(Prediction, result)
