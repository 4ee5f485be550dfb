"""`python -m examples.demo`: an instance with simulated traffic, so that the dashboard has data.

Everything goes through the API. It fills the instance, then sends traffic slowly until Ctrl-C;
another run continues with the existing data.
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
    """Start the server, fill the instance, and keep sending."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = _arguments()
    print(f"Starting Cifra in {arguments.data_dir}")
    port = arguments.port or free_port()
    with (
        running_server(arguments.data_dir, port) as url,
        Simulation(url, arguments.data_dir) as simulation,
    ):
        fill(simulation, arguments)
        print(addresses(url, arguments.data_dir))
        if not arguments.once:
            keep_sending(simulation)


def fill(simulation: Simulation, arguments: argparse.Namespace) -> None:
    """Send requests until there are as many predictions as requested, with a retrain in between.

    A deployed model starts the next experiment; the rest of the traffic belongs to it.
    """
    send_and_label(simulation, round(SHARE_BEFORE_RETRAIN * arguments.requests), arguments.labels)
    if not arguments.no_retrain and not simulation.admin.retrains():
        retrain(simulation)
    send_and_label(simulation, arguments.requests, arguments.labels)


def send_and_label(simulation: Simulation, requests: int, labels: int) -> None:
    """Send images until there are this many predictions, and label some of them."""
    missing = requests - simulation.sent
    if missing > 0:
        send(simulation, missing)
        label(simulation, labels)


def send(simulation: Simulation, limit: int) -> None:
    """Send images until this many are predicted."""
    rejected = 0
    with tqdm(desc="users send images", total=limit, unit="image") as progress:
        while progress.n < limit:
            is_predicted = simulation.send_one()
            progress.update(is_predicted)
            rejected += not is_predicted
    report = simulation.admin.report()
    print(f"  {report.total_feedback:,} ratings, {rejected:,} images rejected")


def label(simulation: Simulation, limit: int) -> None:
    """Label at limit this many images as the reviewer."""
    with tqdm(desc=f"{REVIEWER} labels", total=limit, unit="image") as progress:
        while progress.n < limit and simulation.label_one():
            progress.update()
    experiment = simulation.admin.report().experiment
    if experiment is not None:
        print(
            f"  verdict: {experiment.verdict}, after {experiment.requests:,} A/B requests,"
            f" {experiment.disagreements:,} disagreements, {experiment.labels['total']:,} labels"
        )


def retrain(simulation: Simulation) -> None:
    """Retrain v2 on the labels."""
    with tqdm(desc="v2 is retrained", total=100, unit="%") as progress:

        def show(job: RetrainJob) -> None:
            progress.set_postfix_str(job.stage or job.status)
            progress.update(max(0, round(100 * (job.progress or 0)) - progress.n))

        try:
            job = simulation.admin.wait(simulation.admin.retrain("v2"), on_progress=show)
        except Unprocessable as refused:
            tqdm.write(f"  no retrain: {refused.detail}")
            return
    print(f"  retrain {job.id}: {job.status}" + (f", {job.error}" if job.error else ""))


def addresses(url: str, data_dir: Path) -> str:
    """Return the addresses and accounts as text."""
    users = ", ".join(user.name for user in USERS)
    return f"""
Cifra      {url}
dashboard  {url}/dashboard  as admin; the password is in {data_dir / "admin_password"}
review     {url}/review  as {REVIEWER}; the password is in {data_dir / "people_password"}
users      {users}, with the same password as {REVIEWER}
"""


def keep_sending(simulation: Simulation) -> None:
    """Send a few images per second, and label one now and then."""
    print("Traffic continues slowly; press Ctrl-C to stop.", flush=True)
    with tqdm(desc="users send images", unit="image") as progress:
        for turn in count(1):
            progress.update(simulation.send_one())
            if turn % LABEL_EVERY == 0:
                simulation.label_one()
            time.sleep(PAUSE_S)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    port = os.environ.get("PORT") or "0"
    parser.add_argument("--once", action="store_true", help="exit when the instance is filled")
    parser.add_argument(
        "--requests", type=int, default=REQUESTS, help="number of predictions to fill up to"
    )
    parser.add_argument(
        "--labels", type=int, default=LABELS, help="number of labels to give at a time"
    )
    parser.add_argument("--no-retrain", action="store_true", help="do not retrain")
    parser.add_argument("--data-dir", type=Path, default=ROOT / "instance-demo")
    parser.add_argument("--port", type=int, default=port, help="default: PORT, or a free port")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\ndemo: stopped")
    except CifraError as error:
        sys.exit(f"demo: {error}")
