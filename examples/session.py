"""The README's first session, with the Python client: `python examples/session.py [URL]`.

With a fresh `make run` it prints

    ana has a new account
    v2 predicts 7 for 7.png
    v1 predicts 0 1 2 3 4 5 6 7 8 9
    v2 predicts 0 1 2 3 4 5 6 7 8 9
    ab predicts 0 1 2 3 4 5 6 7 8 9
    feedback: an image predicted as 4 is a 4
    feedback given: 1, of it correct: 1
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
    """Act as ana, then as the admin."""
    with Cifra(url) as ana, Cifra(url) as admin:
        log_in(ana)
        predict_all(ana)
        give_feedback(ana)
        print_report(admin)


def log_in(ana: Cifra) -> None:
    """Create an account, or use the existing one, and log in."""
    try:
        ana.register(NAME, PASSWORD)
    except Conflict:
        print(f"{NAME} has an account already")
    else:
        print(f"{NAME} has a new account")
    ana.login(NAME, PASSWORD)


def predict_all(ana: Cifra) -> None:
    """Predict all ten digits with each version, and through the A/B test."""
    print(f"v2 predicts {ana.predict(IMAGES / '7.png').digit} for 7.png")
    for route in ROUTES:
        predictions = [ana.predict(IMAGES / f"{digit}.png", via=route) for digit in range(10)]
        print(route, "predicts", *(prediction.digit for prediction in predictions))


def give_feedback(ana: Cifra) -> None:
    """Predict another image, and give feedback on it."""
    prediction = ana.predict(IMAGES / "4.png", via="ab")
    ana.feedback(prediction.id, digit=4)
    print(f"feedback: an image predicted as {prediction.digit} is a 4")


def print_report(admin: Cifra) -> None:
    """Print the report's totals."""
    folder = Path(os.environ.get("DATA_DIR") or INSTANCE_DIR)
    admin.login("admin", (folder / "admin_password").read_text().strip())
    report = admin.report()
    print(f"feedback given: {report.total_feedback}, of it correct: {report.correct_feedback}")
    if report.experiment is not None:
        experiment = report.experiment
        print(f"the experiment is {experiment.verdict}, after {experiment.requests} requests")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:2] or ["http://127.0.0.1:5000"])
    except CifraError as error:
        sys.exit(f"cifra: {error}")
