"""The seeded plan of a run: what each client does, and which process is killed when.

A plan depends on the seed alone. Steps name images and earlier predictions by number; which
prediction that is depends on the answers, and the order between clients on timing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

IMAGES = 10_000
ACCOUNTS, CLIENTS_PER_ACCOUNT, REVIEWERS = 5, 2, 2
MODELS_PER_VERSION = 6  # besides the bundled one
PER_ADMIN_STEP, PER_REVIEW_STEP = 25, 4  # predictions of all clients for one step of theirs

_USER_WEIGHTS = {
    "predict": 100,
    "feedback": 40,
    "legacy_feedback": 12,
    "get": 18,
    "image": 6,
    "list": 15,
    "erase": 18,
    "delete_account": 0.6,
    "login_deleted": 1,
}
_ADMIN_WEIGHTS = {"deploy": 6, "rollback": 3, "list_deployments": 2, "list_accounts": 2}


@dataclass(frozen=True)
class Step:
    """One thing that a client does.

    `pick` in 0..1 chooses among the client's earlier predictions, 0 the newest; `number` is an
    image or a model, `digit` what is said of it, and `flag` a choice between two forms.
    """

    kind: str
    number: int
    pick: float
    digit: int
    flag: bool
    route: str


@dataclass(frozen=True)
class Fault:
    """What happens to a process once clients have sent that many predictions."""

    after: int
    action: str


def user_steps(seed: int, client: int, predictions: int) -> Iterator[Step]:
    """Yield the steps of a user's client, until it has sent that many predictions."""
    rng, sent = Random(f"{seed} user {client}"), 0
    while sent < predictions:
        step = _draw(rng, _USER_WEIGHTS)
        sent += step.kind == "predict"
        yield step


def reviewer_steps(seed: int, client: int) -> Iterator[Step]:
    """Yield the endless steps of a reviewer; `flag` undoes the label again."""
    rng = Random(f"{seed} reviewer {client}")
    while True:
        yield _draw(rng, {"review": 1})


def admin_steps(seed: int) -> Iterator[Step]:
    """Yield the endless steps of an admin."""
    rng = Random(f"{seed} admin")
    while True:
        yield _draw(rng, _ADMIN_WEIGHTS)


def plan_faults(seed: int, predictions: int, count: int, actions: list[str]) -> list[Fault]:
    """Spread faults over a run: every action in turn, in random order, with calm at both ends."""
    rng, drawn = Random(f"{seed} faults"), list[str]()
    while len(drawn) < count:
        drawn += rng.sample(actions, len(actions))
    spacing = predictions / (count + 1)
    return [
        Fault(round(spacing * (number + rng.uniform(-0.2, 0.2))), action)
        for number, action in enumerate(islice(drawn, count), 1)
    ]


def _draw(rng: Random, weights: dict[str, float]) -> Step:
    return Step(
        kind=rng.choices(list(weights), list(weights.values()))[0],
        number=rng.randrange(IMAGES),
        pick=rng.random(),
        digit=rng.randrange(10),
        flag=rng.random() < 0.25,
        route=rng.choice(("v1", "v2", "ab", "ab")),
    )
