"""`make chaos`: how Cifra behaves when parts of it fail and when clients are hostile.

Every row has a limit; the command fails if a figure exceeds it. docs/RELIABILITY.md describes
each fault, and which tests cover the others.
"""

import sys

from benchmarks.chaos import crashes, dependencies, hostile_clients, slow_clients
from benchmarks.results_table import print_table


def main() -> None:
    """Print the table; exit with 1 if a limit is exceeded. `--quick`: fewer kills."""
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
        slow_clients.all_families(),
    ]
    print_table(parts, len(parts), "chaos tests")


if __name__ == "__main__":
    main()
