"""`make history`: run concurrent operations under faults, and check what became of each.

Ends with 1 if a check has a finding; the trace is kept then, and `--check TRACE` checks it again.
"""

import argparse
import random
import signal
import sys
from pathlib import Path

from benchmarks.history.checks import check
from benchmarks.history.checks.deployments import DEFAULT_STALENESS_S
from benchmarks.history.planted_faults import PLANTED
from benchmarks.history.results import print_results
from benchmarks.history.runs import RunOptions, run
from benchmarks.history.trace import Trace, read_trace
from config import ROOT

PREDICTIONS, FAULTS = 10_000, 40
DATABASES = ("sqlite", "postgresql")
TRACES = ROOT / "build" / "history"


def main() -> None:
    """Run or check as the arguments say."""
    options = _parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the processes end too
    if options.check is not None:
        trace = read_trace(options.check)
        if options.staleness is not None:
            trace.settings["staleness_s"] = options.staleness
        sys.exit(_report(trace))
    found = 0
    for database in DATABASES if options.database == "both" else (options.database,):
        run_options = RunOptions(
            database,
            options.seed,
            options.predictions,
            options.faults,
            DEFAULT_STALENESS_S if options.staleness is None else options.staleness,
            options.plant,
            tuple(options.action),
        )
        found += _run(run_options, keep=options.keep)
    sys.exit(found > 0)


def _run(options: RunOptions, *, keep: bool) -> int:
    planted = "" if options.planted is None else f"-{options.planted}"
    trace_file = TRACES / f"{options.database}-{options.seed}{planted}.jsonl"
    print(f"{options.database}, seed {options.seed}")
    run(options, trace_file)
    found = _report(read_trace(trace_file))
    if found or keep:
        print(
            f"The trace is {trace_file}; check it again with"
            f" python -m benchmarks.history --check {trace_file}"
        )
    else:
        trace_file.unlink()
    return found


def _report(trace: Trace) -> int:
    found = check(trace)
    print_results(trace, found)
    return int(any(found.values()))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.history", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--predictions", type=int, default=PREDICTIONS)
    parser.add_argument("--faults", type=int, default=FAULTS, help="kills and restarts")
    parser.add_argument(
        "--action", action="append", default=[], help="do only this to processes; may be repeated"
    )
    parser.add_argument(
        "--staleness",
        type=float,
        help=f"seconds for which a replaced model may still answer, by default"
        f" {DEFAULT_STALENESS_S:g}; more on a busy machine",
    )
    parser.add_argument("--plant", choices=sorted(PLANTED), help="run with a fault on purpose")
    parser.add_argument("--keep", action="store_true", help="keep the trace in any case")
    parser.add_argument("--check", type=Path, metavar="TRACE", help="check a kept trace")
    return parser.parse_args()


if __name__ == "__main__":
    main()
