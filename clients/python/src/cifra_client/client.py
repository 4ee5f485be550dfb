"""The client: a method for each thing that can be asked of a Cifra."""

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
    """One login to one Cifra; may be used from several threads.

    Every method raises Unreachable where no answer comes within `timeout_s`, ApiError with what the
    server said, and NotLoggedIn before `login`. `errors` has the whole tree.
    """

    def __init__(self, url: str = "http://127.0.0.1:5000", timeout_s: float = TIMEOUT_S) -> None:
        self._transport = Transport(url, timeout_s)
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the login stays good until `logout` or its end."""
        self._transport.close()

    def register(self, username: str, password: str, email: str | None = None) -> Account:
        """Make an account. Raises Conflict where the name is taken, InvalidInput."""
        wanted = {"username": username, "password": password, "email": email}
        return load(Account, self._transport.call_without_login("POST", "/register", wanted))

    def login(self, username: str, password: str) -> None:
        """Log in; tokens stay in memory and are renewed when they expire.

        Raises NotAuthenticated, NotAllowed for a locked account.
        """
        self._transport.log_in(username, password)

    def logout(self) -> None:
        """End the login, here and on the server."""
        self._transport.call("POST", "/logout")
        self._transport.discard_tokens()

    def predict(self, image: ImageSource, via: Route = "v2") -> Prediction:
        """Have a image read by a version, or by the one that an A/B test draws.

        Raises ImageRejected where no one digit can be read from it.
        """
        sent = [_form_part(image)]
        return load(Prediction, self._transport.call("POST", f"/api/{via}/predict", files=sent))

    def predict_batch(self, images: Iterable[ImageSource]) -> list[Prediction | ImageRejected]:
        """Have up to 256 images read by v2: in their order, each an answer or its own error."""
        sent = [_form_part(image) for image in images]
        told = self._transport.call("POST", "/api/v2/predict/batch", files=sent)
        return [_prediction_or_error(result) for result in told["results"]]

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
        """Say whether an answer was right, which digit it is, or that it is none.

        Raises NotFound for a prediction that is not yours, Unprocessable for words that contradict
        each other, Conflict where another word stands and `replace` is not set.
        """
        said = {"correct": correct, "digit": digit, "comment": comment}
        said |= {"prediction_id": prediction_id, "not_a_digit": not_a_digit, "replace": replace}
        self._transport.call("POST", "/feedback", said)

    def history(self, limit: int | None = None) -> Iterator[PastPrediction]:
        """One's own predictions, the newest first; page after page is fetched as they are used."""
        return islice(self._iterate_history(), limit)

    def image(self, prediction_id: str) -> bytes:
        """The 28x28 image that the models saw, a PNG. Raises NotFound."""
        return self._transport.fetch("GET", f"/predictions/{prediction_id}/image").content

    def erase(self, prediction_id: str) -> None:
        """Erase a prediction's image, and the words on it. Raises NotFound."""
        self._transport.call("DELETE", f"/predictions/{prediction_id}")

    def erase_account(self) -> None:
        """Erase one's own account with all that is kept of it."""
        self._transport.call("DELETE", "/me")
        self._transport.discard_tokens()

    def subscribe(self, on_event: Callable[[Event], None] | None = None) -> live.Subscription:
        """Listen to live events: iterate over what this returns, or have each handed over.

        Returns once connected. Admins hear of everything, others of their own predictions.
        """
        events = live.Subscription(self._transport, self._timeout_s)
        if on_event is not None:
            live.call_for_each(events, on_event)
        return events

    def review_next(self) -> ReviewItem | None:
        """For reviewers: the image that is next, yours for two minutes; None if none waits."""
        told = self._transport.call("GET", "/admin/review")
        item = told["item"]
        return item and ReviewItem(
            prediction_id=item["prediction_id"],
            image=base64.b64decode(item["image"].partition(",")[2]),
            leased_until=datetime.fromisoformat(item["leased_until"]),
            pending=told["pending"],
            user_flagged=told["user_flagged"],
        )

    def review(
        self,
        prediction_id: str,
        *,
        digit: int | None = None,
        not_a_digit: bool = False,
        skip: bool = False,
    ) -> None:
        """For reviewers: label a image that `review_next` gave, or skip it.

        Raises NotFound or Conflict for a image that is not before you.
        """
        said = {"digit": digit, "not_a_digit": not_a_digit, "skip": skip}
        self._transport.call("POST", f"/admin/review/{prediction_id}", said)

    def undo_review(self, prediction_id: str) -> None:
        """For reviewers: take one's last label back. Raises Conflict for any other."""
        self._transport.call("DELETE", f"/admin/review/{prediction_id}")

    def report(self) -> Report:
        """For admins: what people said, and which version is better."""
        return load(Report, self._transport.call("GET", "/admin/report"))

    def retrain(
        self, version: Version = "v2", deploy: Literal["auto", "manual"] = "auto"
    ) -> RetrainJob:
        """For admins: have a version learn from reviewed pictures.

        Raises Conflict while another retrain runs, Unprocessable where there are too few labels.
        """
        order = {"version": version, "deploy": deploy}
        return self.get_retrain(self._transport.call("POST", "/admin/retrain", order)["job_id"])

    def get_retrain(self, job_id: int) -> RetrainJob:
        """For admins: a retrain as it stands. Raises NotFound."""
        return load(RetrainJob, self._transport.call("GET", f"/admin/retrain/{job_id}"))

    def retrains(self) -> list[RetrainJob]:
        """For admins: the last retrains, the newest first."""
        return self._list(RetrainJob, "/admin/retrain", "jobs")

    def wait(
        self,
        job: RetrainJob,
        timeout_s: float = RETRAIN_TIMEOUT_S,
        on_progress: Callable[[RetrainJob], None] | None = None,
    ) -> RetrainJob:
        """For admins: wait until a retrain has ended, well or not. Raises TimedOut."""
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
        """For admins: have a retrain end without a candidate. Raises Conflict if it has ended."""
        return load(RetrainJob, self._transport.call("POST", f"/admin/retrain/{job_id}/cancel"))

    def deployments(self) -> list[Deployment]:
        """For admins: what was put into service, the newest first."""
        return self._list(Deployment, "/admin/deployments", "deployments")

    def roll_back(self, version: Version) -> Deployment:
        """For admins: take a version's last deployment back. Raises Conflict if none is left."""
        return load(Deployment, self._transport.call("POST", f"/admin/versions/{version}/rollback"))

    def alerts(self) -> list[Alert]:
        """For admins: what happened by itself, the newest first."""
        return self._list(Alert, "/admin/alerts", "alerts")

    def set_role(self, user_id: int, role: Literal["user", "reviewer", "admin"]) -> Account:
        """For admins: say what an account may do. Raises NotFound, Conflict for the last admin."""
        return load(
            Account, self._transport.call("PATCH", f"/admin/users/{user_id}", {"role": role})
        )

    def _list(self, shape: type[_T], path: str, key: str) -> list[_T]:
        return [load(shape, each) for each in self._transport.call("GET", path)[key]]

    def _iterate_history(self) -> Iterator[PastPrediction]:
        query = {"limit": str(PAGE_SIZE)}
        while True:
            page = self._transport.call("GET", "/predictions", query=query)
            yield from (load(PastPrediction, each) for each in page["predictions"])
            if page["next_before"] is None:
                return
            query["before"] = page["next_before"]


def _form_part(image: ImageSource) -> File:
    """A image as a part of a form; a file is read once, so that it can be sent again."""
    if isinstance(image, bytes):
        return "file", ("image", image)
    if isinstance(image, Path):
        return "file", (image.name, image.read_bytes())
    return "file", ("image", image.read())


def _prediction_or_error(result: dict[str, Any]) -> Prediction | ImageRejected:
    if "error" in result:
        return ImageRejected(result["status"], result["title"], result["detail"])
    return load(Prediction, result)
