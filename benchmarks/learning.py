"""`python -m benchmarks.learning`: whether retrains learn, never get worse, and harm no request.

Every row has a bar; the command fails where a figure falls short of its own. Seeded, but for when
requests arrive and processes are killed, which time decides.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor

from tqdm import tqdm

from benchmarks import drifts, promotions, retrain_cases, training_interference
from benchmarks.results_table import Row, show
from benchmarks.retrain_cases import LABELS, ONE_SIDED_LABELS, POISONS, RETRAINS_IN_A_ROW
from benchmarks.retrain_scenarios import Lesson

MOST_LOST, MOST_LOST_TO_OTHERS, MOST_SECONDS = 0.1, 0.2, 90  # points of golden, seconds
POISONED = 20
PROCESSES = 2


def main() -> None:
    """Print the table; end with 1 where a bar is missed."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, spawn) as processes:
        parts = (shifted(processes), worlds(processes), *others())
        show(parts, len(parts), "learning")


def others() -> Sequence[Iterator[Row]]:
    """What is not about what a candidate learns."""
    return promotions.rows(), training_interference.rows(), drifts.rows()


def shifted(processes: Executor) -> Iterator[Row]:
    """A style that v2 reads badly; alone on the machine, since its seconds count."""
    lesson = processes.submit(retrain_cases.shifted).result()
    before, after = lesson.before.style, lesson.after.style
    wanted = before + (1 - before) / 2
    yield Row(
        f"{LABELS} labels of a style that v2 reads {before:.1%} right: other pictures of it",
        f">= {wanted:.1%}",
        f"{after:.1%} ({lesson.status})",
        short=after < wanted,
    )
    yield Row(
        "the same: seconds, examination included",
        f"<= {MOST_SECONDS}",
        f"{lesson.seconds:.0f}",
        short=lesson.seconds > MOST_SECONDS,
    )
    yield _lost("the same", lesson, MOST_LOST)


def worlds(processes: Executor) -> Iterator[Row]:
    """One digit alone, ten in a row, and poison, two worlds at a time."""
    repeated = processes.submit(retrain_cases.in_a_row)
    alone = processes.submit(retrain_cases.one_sided)
    poisoned = [processes.submit(retrain_cases.poisoned, turn) for turn in range(POISONED)]
    for done in tqdm(poisoned, "poison", leave=False):
        done.result()
    yield _lost(f"{ONE_SIDED_LABELS} labels of one digit alone", alone.result(), MOST_LOST)
    for number, name in enumerate(POISONS):
        yield _poison(name, poisoned[number :: len(POISONS)])
    yield _in_a_row(repeated.result())


def _lost(what: str, lesson: Lesson, most: float) -> Row:
    return Row(
        f"{what}: golden lost",
        f"<= {most} points",
        f"{lesson.golden_lost:.2f} ({lesson.status})",
        short=round(lesson.golden_lost, 6) > most,
    )


def _poison(name: str, poisoned: Sequence[Future[Lesson]]) -> Row:
    found = [each.result() for each in poisoned]
    deployed = sum(lesson.status == "deployed" for lesson in found)
    worst = max(lesson.golden_lost for lesson in found)
    return Row(
        f"poison, {name}, {len(found)} runs: golden lost at worst",
        f"<= {MOST_LOST_TO_OTHERS} points",
        f"{worst:.2f}, {deployed} of them deployed",
        short=round(worst, 6) > MOST_LOST_TO_OTHERS,
    )


def _in_a_row(found: Sequence[Lesson]) -> Row:
    deployed = sum(lesson.status == "deployed" for lesson in found)
    lost = 100 * (found[0].after.golden - found[-1].after.golden)
    return Row(
        f"{RETRAINS_IN_A_ROW} retrains in a row: golden lost from the first to the last",
        f"<= {MOST_LOST_TO_OTHERS} points",
        f"{lost:.2f}, {deployed} of them deployed, the style read"
        f" {found[0].before.style:.1%} right before and {found[-1].after.style:.1%} after",
        short=round(lost, 6) > MOST_LOST_TO_OTHERS,
    )


if __name__ == "__main__":
    main()
