"""`python -m examples.demo`: an instance with life on it, so that its dashboard has what to show.

Everything goes through the API. It fills the instance, then goes on slowly until Ctrl-C; a second
run goes on with what is there.
"""

import argparse
import os
import signal
import sys
import time
from itertools import count
from pathlib import Path

from tqdm import tqdm

from cifra_client import CifraError, RetrainJob, Unprocessable
from config import ROOT
from examples.demo.people import REVIEWER, USERS
from examples.demo.serving import free_port, running_server
from examples.demo.simulation import Simulation

REQUESTS, LABELS = 1_700, 150
SHARE_BEFORE_RETRAIN = 0.6  # of the requests
PAUSE_S, LABEL_EVERY = 0.35, 8  # of the traffic that goes on


def main() -> None:
    """Serve, fill, and go on."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = _arguments()
    print(f"Starting a Cifra in {wanted.data_dir}")
    port = wanted.port or free_port()
    with running_server(wanted.data_dir, port) as url, Simulation(url, wanted.data_dir) as town:
        fill(town, wanted)
        print(addresses(url, wanted.data_dir))
        if not wanted.once:
            keep_sending(town)


def fill(town: Simulation, wanted: argparse.Namespace) -> None:
    """Bring the instance to as many answers as wanted, with a retrain on the way.

    A model that goes into service begins the next experiment; the rest of the traffic is for that.
    """
    send_and_label(town, round(SHARE_BEFORE_RETRAIN * wanted.requests), wanted.labels)
    if not wanted.no_retrain and not town.admin.retrains():
        retrain(town)
    send_and_label(town, wanted.requests, wanted.labels)


def send_and_label(town: Simulation, requests: int, labels: int) -> None:
    """Have images sent until there are so many answers, and some of them labeled."""
    missing = requests - town.sent
    if missing > 0:
        send(town, missing)
        label(town, labels)


def send(town: Simulation, most: int) -> None:
    """Have so many images answered."""
    refused = 0
    with tqdm(desc="people send images", total=most, unit="image") as progress:
        while progress.n < most:
            is_answered = town.send_one()
            progress.update(is_answered)
            refused += not is_answered
    report = town.admin.report()
    print(f"  {report.total_feedback:,} words of theirs, {refused:,} images without one digit")


def label(town: Simulation, most: int) -> None:
    """Have the reviewer label so many images, or all that wait."""
    with tqdm(desc=f"{REVIEWER} labels", total=most, unit="image") as progress:
        while progress.n < most and town.label_one():
            progress.update()
    found = town.admin.report().experiment
    if found is not None:
        print(
            f"  verdict: {found.verdict}, after {found.requests:,} A/B requests,"
            f" {found.disagreements:,} disagreements, {found.labels['all']:,} labels"
        )


def retrain(town: Simulation) -> None:
    """Have v2 learn from the labels."""
    with tqdm(desc="v2 learns", total=100, unit="%") as progress:

        def show(job: RetrainJob) -> None:
            progress.set_postfix_str(job.stage or job.status)
            progress.update(max(0, round(100 * (job.progress or 0)) - progress.n))

        try:
            job = town.admin.wait(town.admin.retrain("v2"), on_progress=show)
        except Unprocessable as refused:
            tqdm.write(f"  no retrain: {refused.detail}")
            return
    print(f"  retrain {job.id}: {job.status}" + (f", {job.error}" if job.error else ""))


def addresses(url: str, data_dir: Path) -> str:
    """Where everything is, and who may go in."""
    people = ", ".join(of.name for of in USERS)
    return f"""
Cifra is on    {url}
its dashboard  {url}/dashboard  as admin; the password is in {data_dir / "admin_password"}
its review     {url}/review  as {REVIEWER}; the password is in {data_dir / "people_password"}
and there are  {people}, with the same password as {REVIEWER}
"""


def keep_sending(town: Simulation) -> None:
    """Send a few images a second, and label now and then."""
    print("Traffic goes on slowly; Ctrl-C ends it.", flush=True)
    with tqdm(desc="people send images", unit="image") as progress:
        for turn in count(1):
            progress.update(town.send_one())
            if turn % LABEL_EVERY == 0:
                town.label_one()
            time.sleep(PAUSE_S)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    port = os.environ.get("PORT") or "0"
    parser.add_argument("--once", action="store_true", help="end when it is filled")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="answers to fill up to")
    parser.add_argument("--labels", type=int, default=LABELS, help="labels to give at a time")
    parser.add_argument("--no-retrain", action="store_true", help="leave the models as they are")
    parser.add_argument("--data-dir", type=Path, default=ROOT / "instance-demo")
    parser.add_argument("--port", type=int, default=port, help="default: PORT, or a free one")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\ndemo: ended")
    except CifraError as error:
        sys.exit(f"demo: {error}")
