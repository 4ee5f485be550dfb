"""Who lives in the demo: what each sends, which way, and when they speak up."""

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
    """How somebody uses Cifra; `styles` and `routes` by weight, the others are chances.

    `corrects` an answer that is wrong, `confirms` one that is right, and now and then says the
    opposite of what is so.
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
    """Somebody who is logged in."""

    habits: UserBehavior
    client: Cifra

    def send(self, digits: LabeledDigits, rng: Generator) -> tuple[SampleImage, bool]:
        """Send a image, and speak up about the answer or not; with whether it was answered."""
        sent = sample_image(_choose(self.habits.styles, rng), digits, rng)
        try:
            answer = self.client.predict(sent.file, via=_choose(self.habits.routes, rng))
        except ImageRejected:
            return sent, False
        self._speak(answer, sent.shows, rng)
        return sent, True

    def _speak(self, answer: Prediction, shows: int | None, rng: Generator) -> None:
        is_right = answer.digit == shows
        if rng.random() < self.habits.mistaken:
            self.client.feedback(answer.id, correct=not is_right)
        elif rng.random() >= (self.habits.confirms if is_right else self.habits.corrects):
            return
        elif is_right:
            self.client.feedback(answer.id, correct=True)
        else:
            self.client.feedback(answer.id, digit=shows, not_a_digit=shows is None)


def choose_user(people: Mapping[str, SimulatedUser], rng: Generator) -> SimulatedUser:
    """Somebody, those who are more active more often."""
    return people[_choose({name: of.habits.activity for name, of in people.items()}, rng)]


def _choose(weights: Mapping[_Name, float], rng: Generator) -> _Name:
    names = list(weights)
    shares = [weights[name] / sum(weights.values()) for name in names]
    return names[int(rng.choice(len(names), p=shares))]
