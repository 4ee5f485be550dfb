"""`make chaos`: how Cifra behaves when parts of it fail and when clients are hostile.

Every row has a limit; the command fails if a figure exceeds it. docs/RELIABILITY.md describes
each fault, and which tests cover the others.
"""

import argparse
import sys
from collections.abc import Iterator

from benchmarks.chaos import (
    crashes,
    dependencies,
    hostile_clients,
    image_budgets,
    process_deaths,
    slow_clients,
)
from benchmarks.results_table import Row, print_lines, print_table


def main() -> None:
    """Print the tables; exit with 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="kill the server 5 times, not 100")
    parser.add_argument("--only", choices=("deaths", "images", "clients"), help="measure only this")
    options = parser.parse_args()
    missed = 0
    if options.only in {None, "deaths"}:
        missed += print_lines(process_deaths.HEADER, process_deaths.measure())
    if options.only in {None, "images"}:
        missed += print_lines(image_budgets.ONE_HEADER, image_budgets.measure_one())
        missed += print_lines(image_budgets.MANY_HEADER, image_budgets.measure_many())
    if options.only in {None, "clients"}:
        missed += print_lines(slow_clients.HEADER, slow_clients.measure())
    if options.only is None:
        faults = _faults(5 if options.quick else 100)
        print_table(faults, len(faults), "chaos tests")
    if missed:
        sys.exit(1)


def _faults(kills: int) -> list[Iterator[Row]]:
    return [
        crashes.kill_during_writes(kills),
        crashes.terminate_under_load(),
        dependencies.postgres(),
        dependencies.redis(),
        hostile_clients.silent_dashboards(),
        hostile_clients.slow_uploads(),
        hostile_clients.bad_images(),
        hostile_clients.username_timing(),
    ]


if __name__ == "__main__":
    main()
