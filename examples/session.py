"""The README's first session, with the Python client: `python examples/session.py [URL]`.

Against a fresh `make run` it prints

    ana has a new account
    v2 reads 7.png as 7
    0 1 2 3 4 5 6 7 8 9 read by v1
    0 1 2 3 4 5 6 7 8 9 read by v2
    0 1 2 3 4 5 6 7 8 9 read by ab
    what was read as 4 is a 4
    words: 1, of them right: 1
    the experiment is collecting, after 11 requests
"""

import os
import sys
from pathlib import Path

from cifra_client import Cifra, CifraError, Conflict
from cifra_client.client import Route

IMAGES = Path(__file__).parent / "digits"
INSTANCE_DIR = Path(__file__).parents[1] / "instance"
NAME, PASSWORD = "ana", "correct horse"
ROUTES: tuple[Route, ...] = ("v1", "v2", "ab")


def main(url: str) -> None:
    """Be ana, then the admin."""
    with Cifra(url) as ana, Cifra(url) as admin:
        log_in(ana)
        predict_all(ana)
        give_feedback(ana)
        print_report(admin)


def log_in(ana: Cifra) -> None:
    """Make an account, or use the one of last time."""
    try:
        ana.register(NAME, PASSWORD)
    except Conflict:
        print(f"{NAME} was here before")
    else:
        print(f"{NAME} has a new account")
    ana.login(NAME, PASSWORD)


def predict_all(ana: Cifra) -> None:
    """Have all ten digits read by each version, and through the A/B test."""
    print(f"v2 reads 7.png as {ana.predict(IMAGES / '7.png').digit}")
    for route in ROUTES:
        answers = [ana.predict(IMAGES / f"{digit}.png", via=route) for digit in range(10)]
        print(*(answer.digit for answer in answers), "read by", route)


def give_feedback(ana: Cifra) -> None:
    """Have one more read, and say what it shows."""
    answer = ana.predict(IMAGES / "4.png", via="ab")
    ana.feedback(answer.id, digit=4)
    print(f"what was read as {answer.digit} is a 4")


def print_report(admin: Cifra) -> None:
    """See what came of it."""
    folder = Path(os.environ.get("DATA_DIR") or INSTANCE_DIR)
    admin.login("admin", (folder / "admin_password").read_text().strip())
    report = admin.report()
    print(f"words: {report.total_feedback}, of them right: {report.correct_feedback}")
    if report.experiment is not None:
        found = report.experiment
        print(f"the experiment is {found.verdict}, after {found.requests} requests")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:2] or ["http://127.0.0.1:5000"])
    except CifraError as error:
        sys.exit(f"cifra: {error}")
