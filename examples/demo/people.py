"""The demo's simulated users: what each sends, by which route, and when they give feedback."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from numpy.random import Generator

from app.training.datasets import LabeledDigits
from cifra_client import Cifra, ImageRejected, Prediction
from cifra_client.client import Route
from examples.demo.images import BLANK, NO_DIGIT, SampleImage, sample_image

REVIEWER = "vera"

_Name = TypeVar("_Name", bound=str)


@dataclass(frozen=True)
class UserBehavior:
    """How a user behaves; `styles` and `routes` are weights, the others probabilities.

    A user `corrects` wrong predictions, `confirms` correct ones, and is sometimes `mistaken`: then
    the feedback says the opposite.
    """

    name: str
    styles: Mapping[str, float]
    corrects: float
    confirms: float
    mistaken: float = 0.0
    routes: Mapping[Route, float] = field(default_factory=lambda: {"ab": 1.0})
    activity: float = 1.0


USERS = (
    UserBehavior("ana", {"photograph": 0.7, "scrawl": 0.3}, corrects=0.6, confirms=0.15),
    UserBehavior(
        "bruno",
        {"drawing": 0.5, "framed": 0.25, "transparent": 0.25},
        corrects=0.2,
        confirms=0.02,
        routes={"ab": 0.6, "v1": 0.4},
    ),
    UserBehavior(
        "carla",
        {"tiny": 0.4, "inverted": 0.3, "worn": 0.3},
        corrects=0.5,
        confirms=0.3,
        routes={"ab": 0.7, "v2": 0.3},
    ),
    UserBehavior("diego", {"scrawl": 1.0}, corrects=0.4, confirms=0.05, activity=2.0),
    UserBehavior("elsa", {"outline": 1.0}, corrects=0.7, confirms=0.05, mistaken=0.02),
    UserBehavior(
        "fabio",
        {"scrawl": 0.6, "outline": 0.2, NO_DIGIT: 0.15, BLANK: 0.05},
        corrects=0.3,
        confirms=0.1,
        mistaken=0.1,
    ),
)


@dataclass(frozen=True)
class SimulatedUser:
    """A user who is logged in."""

    behavior: UserBehavior
    client: Cifra

    def send(self, digits: LabeledDigits, rng: Generator) -> tuple[SampleImage, bool]:
        """Send an image, and perhaps feedback; return the image and whether it was predicted."""
        sent = sample_image(_choose(self.behavior.styles, rng), digits, rng)
        try:
            prediction = self.client.predict(sent.file, via=_choose(self.behavior.routes, rng))
        except ImageRejected:
            return sent, False
        self._give_feedback(prediction, sent.digit, rng)
        return sent, True

    def _give_feedback(self, prediction: Prediction, digit: int | None, rng: Generator) -> None:
        is_correct = prediction.digit == digit
        if rng.random() < self.behavior.mistaken:
            self.client.feedback(prediction.id, correct=not is_correct)
        elif rng.random() >= (self.behavior.confirms if is_correct else self.behavior.corrects):
            return
        elif is_correct:
            self.client.feedback(prediction.id, correct=True)
        else:
            self.client.feedback(prediction.id, digit=digit, not_a_digit=digit is None)


def choose_user(users: Mapping[str, SimulatedUser], rng: Generator) -> SimulatedUser:
    """Choose a user at random, weighted by activity."""
    return users[_choose({name: user.behavior.activity for name, user in users.items()}, rng)]


def _choose(weights: Mapping[_Name, float], rng: Generator) -> _Name:
    names = list(weights)
    shares = [weights[name] / sum(weights.values()) for name in names]
    return names[int(rng.choice(len(names), p=shares))]
