"""`make chaos`: what Cifra does when parts of it fail, and when clients mean it ill.

Every row has a bar; the command fails where a figure falls short of its own. docs/RELIABILITY.md
says what each fault is, and which tests hold the rest.
"""

import sys

from benchmarks.chaos import crashes, dependencies, hostile_clients
from benchmarks.results_table import print_table


def main() -> None:
    """Print the table; end with 1 where a bar is missed. `--quick`: fewer kills."""
    kills = 5 if "--quick" in sys.argv else 100
    parts = [
        crashes.kill_during_writes(kills),
        crashes.terminate_under_load(),
        dependencies.postgres(),
        dependencies.redis(),
        hostile_clients.silent_dashboards(),
        hostile_clients.slow_uploads(),
        hostile_clients.bad_images(),
        hostile_clients.username_timing(),
    ]
    print_table(parts, len(parts), "faults")


if __name__ == "__main__":
    main()
