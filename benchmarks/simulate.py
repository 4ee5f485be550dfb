"""`python -m benchmarks.simulate`: error rates of verdicts, in simulation.

Every row has a limit; the command fails if a figure exceeds it. The last column shows a simpler
method on the same data. Seeded: the same table each time.
"""

from collections.abc import Callable, Iterator
from math import log, sqrt
from uuid import UUID

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from scipy.special import gammaln

from app.domain import sample_ratio_mismatch
from app.domain.assignment import AUDIT_RATE, AssignmentUnit, TrafficSplit
from app.domain.intervals import log_e_value, unpaired_labels_needed
from app.domain.sample_ratio_mismatch import AssignmentCounts
from app.domain.verdicts import ALPHA, MISMATCH_E_VALUE, Stratum, stratified_accuracy
from app.onnx_runtime import open_session
from app.training.augmentation import augment
from app.training.bundled_models import SEEDS, model_path
from app.training.datasets import load_base_sets
from app.training.evaluation_sets import EvaluationSet
from benchmarks.feedback_bias import (
    Wins,
    leaky_review_queue,
    one_account,
    reporting_rates,
    users_with_preferences,
)
from benchmarks.results_table import Row, print_table

SEED = 20_260_901
RUNS, CHECKS = 2_000, 1_500
ONLY_V1_CORRECT, ONLY_V2_CORRECT, BOTH_WRONG_DIFFERENTLY = (
    0.004,
    0.009,
    0.001,
)  # of requests: 98.5 % against 99.0 % right
BOTH_WRONG_ALIKE = 0.005
RAMP, RAMP_REQUESTS = (0.01, 0.05, 0.1, 0.25, 0.5), 20_000
REPLAYS, REAL_IMAGES = 200, 20_000


def main() -> None:
    """Print the table; exit with 1 if a limit is exceeded."""
    rng = np.random.default_rng(SEED)
    print_table((part(rng) for part in PARTS), len(PARTS), "simulating", simpler=True)


def same_versions(rng: Generator) -> Iterator[Row]:
    """Simulate an A/A test of equal versions, checked after every label."""
    wins = rng.random((RUNS, CHECKS)) < 0.5
    has_winner, _ = decide(wins)
    mcnemar = _mcnemar_error_rate(wins)
    yield _false_winner_row(
        "A/A, 1,500 checks: a winner is named",
        has_winner,
        f"McNemar at each check: {mcnemar:.0%}",
    )


def worked_example(rng: Generator) -> Iterator[Row]:
    """Simulate 98.5 % against 99.0 %: how soon a winner is named, and how often the wrong one."""
    shares = np.array([ONLY_V1_CORRECT, ONLY_V2_CORRECT, BOTH_WRONG_DIFFERENTLY])
    kinds = rng.choice(3, (RUNS, CHECKS), p=shares / shares.sum())
    discordant, labels, wrong = [], [], 0
    for run in kinds:
        wins = run[run < 2] == 1
        _, at = decide(wins[None, :])
        discordant.append(at[0])
        labels.append(1 + np.flatnonzero(run < 2)[at[0] - 1])
        wrong += not wins[: at[0]].mean() > 0.5
    accuracy = (
        1 - BOTH_WRONG_ALIKE - BOTH_WRONG_DIFFERENTLY - ONLY_V2_CORRECT,
        1 - BOTH_WRONG_ALIKE - BOTH_WRONG_DIFFERENTLY - ONLY_V1_CORRECT,
    )
    unpaired = unpaired_labels_needed(*accuracy, alpha=ALPHA, power=0.8)
    median = np.median(discordant)
    yield Row(
        "98.5 % against 99.0 %: discordant labels to the verdict, median",
        "<= 60",
        f"{median:.0f} ({np.median(labels):.0f} disagreements labeled)",
        missed=bool(median > 60),
        simpler=f"an unpaired test at 80 % power: {unpaired:,.0f} labels",
    )
    yield Row(
        "the same: the wrong winner is named",
        "<= 1 %",
        f"{wrong / RUNS:.2%}",
        missed=wrong > RUNS / 100,
    )


def user_feedback(rng: Generator) -> Iterator[Row]:
    """Simulate A/A tests with biased user feedback; the verdict uses the blind queue only."""
    for what, feedback_model in (
        ("one account, 8 ratings, all against v1", one_account),
        ("users report 40 % of v1's and 35 % of v2's errors", reporting_rates(0.40, 0.35)),
        ("40 % and 30 %", reporting_rates(0.40, 0.30)),
        (
            "equal reporting rates of 40 %, v2 answers a fifth",
            reporting_rates(0.40, 0.40, weight=0.2),
        ),
        (
            "users assigned, 20 ratings each, half of them by personal preference",
            users_with_preferences,
        ),
        ("80 % and 40 %, and what users report leaves the queue", leaky_review_queue(0.80, 0.40)),
    ):
        wins = rng.random((RUNS, CHECKS)) < 0.5
        has_winner, _ = decide(_in_review_order(wins, rng))
        by_feedback, _ = decide(feedback_model(wins, rng))
        yield _false_winner_row(
            f"A/A, {what}", has_winner, f"counting user feedback: {by_feedback.mean():.0%}"
        )


def resubmitted_images(rng: Generator) -> Iterator[Row]:
    """Simulate an A/A test in which every image arrives three times and reviewers keep pace."""
    wins = rng.random((RUNS, CHECKS)) < 0.5
    has_winner, _ = decide(wins)  # the queue asks about a image once
    repeated, _ = decide(np.repeat(wins[:, : CHECKS // 3], 3, axis=1))
    yield _false_winner_row(
        "A/A, each image sent three times", has_winner, f"labeled each time: {repeated.mean():.0%}"
    )


def drift(rng: Generator) -> Iterator[Row]:
    """Simulate an A/A test in which v2 is better in the first half, v1 in the second."""
    better = np.repeat([0.75, 0.25], CHECKS)
    wins = rng.random((RUNS, 2 * CHECKS)) < better
    has_winner, _ = decide(_in_review_order(wins, rng)[:, :CHECKS])
    oldest_first, _ = decide(wins[:, :CHECKS])
    yield _false_winner_row(
        "A/A, which version errs drifts", has_winner, f"oldest first: {oldest_first.mean():.0%}"
    )


def assigned_as_configured(rng: Generator) -> Iterator[Row]:
    """Simulate a ramp that assigns as configured, checked after every request."""
    weights = np.repeat(RAMP, RAMP_REQUESTS // len(RAMP))
    invalidated = 0
    for _ in range(RUNS):
        invalidated += bool(
            _log_mismatch(rng.random(RAMP_REQUESTS) < weights, RAMP).max() >= _INVALID
        )
    limit = 0.001 + 3 * sqrt(0.001 * 0.999 / RUNS)
    yield Row(
        "A/A, ramp 1-5-10-25-50 %, 20,000 requests: invalidated",
        f"<= {limit:.2%}",
        f"{invalidated / RUNS:.2%}",
        missed=invalidated / RUNS > limit,
    )


def assigned_otherwise(rng: Generator) -> Iterator[Row]:
    """Simulate assignments that differ from the configured half."""
    for share, most in ((0.55, 2_000), (0.52, 11_000)):
        found = [
            int(np.argmax(_log_mismatch(rng.random(4 * most) < share, (0.5,)) >= _INVALID)) + 1
            for _ in range(RUNS)
        ]
        median = float(np.median(found))
        yield Row(
            f"{share:.0%} assigned where 50 % was set: requests until invalidated, median",
            f"<= {most:,}",
            f"{median:,.0f}",
            missed=median > most,
        )


def accuracies(rng: Generator) -> Iterator[Row]:
    """Measure the coverage of the accuracy interval, computed from few labels."""
    kinds = (ONLY_V1_CORRECT, ONLY_V2_CORRECT, BOTH_WRONG_DIFFERENTLY, BOTH_WRONG_ALIKE)
    for requests in (1_000, 10_000, 100_000):
        covered, widths = 0, []
        for _ in range(RUNS):
            only_v1_correct, only_v2_correct, neither_correct, alike, both = rng.multinomial(
                requests, [*kinds, 1 - sum(kinds)]
            )
            disagreements = int(only_v1_correct + only_v2_correct + neither_correct)
            audited = int(rng.binomial(requests - disagreements, AUDIT_RATE))
            wrong = int(rng.hypergeometric(alike, both, audited))
            interval = stratified_accuracy(
                Stratum(disagreements, disagreements, int(only_v2_correct)),
                Stratum(requests - disagreements, audited, audited - wrong),
            ).interval
            covered += interval.low <= (both + only_v2_correct) / requests <= interval.high
            widths.append(100 * interval.width)
        width, limit = float(np.mean(widths)), 0.95 - 3 * sqrt(0.95 * 0.05 / RUNS)
        is_wide = requests == 10_000 and width > 2
        yield Row(
            f"accuracy interval at {requests:,} requests: coverage",
            f">= {limit:.1%}" + (", width <= 2 points" if requests == 10_000 else ""),
            f"{covered / RUNS:.1%}, {width:.2f} points wide",
            missed=covered / RUNS < limit or is_wide,
        )


def real_models(rng: Generator) -> Iterator[Row]:
    """Compare two seeds of v1 on real images, with roles swapped at random for each image."""
    seeds = [model_path("v1", seed) for seed in SEEDS[:2]]
    limit = ALPHA + 3 * sqrt(ALPHA * (1 - ALPHA) / REPLAYS)
    what = f"two seeds of v1 on {REAL_IMAGES:,} real images, roles by a coin, {REPLAYS} replays"
    golden = load_base_sets().golden
    chosen = rng.integers(0, len(golden.labels), REAL_IMAGES)
    images = np.stack([augment(golden.digits[index], rng) for index in chosen])
    evaluation_set = EvaluationSet(images, np.zeros(REAL_IMAGES, dtype=bool), golden.labels[chosen])
    right = [evaluation_set.correct(open_session(path.read_bytes())) for path in seeds]
    second_won = right[1][right[0] != right[1]]
    has_winner = 0
    for _ in range(REPLAYS):
        wins = rng.permutation(second_won) ^ (rng.random(len(second_won)) < 0.5)
        has_winner += bool(decide(wins[None, :])[0][0])
    yield Row(
        f"{what}, {len(second_won):,} discordant: a winner is named",
        f"<= {limit:.1%}",
        f"{has_winner / REPLAYS:.1%}",
        missed=has_winner / REPLAYS > limit,
    )


PARTS: tuple[Callable[[Generator], Iterator[Row]], ...] = (
    same_versions,
    worked_example,
    user_feedback,
    resubmitted_images,
    drift,
    assigned_as_configured,
    assigned_otherwise,
    accuracies,
    real_models,
)

_INVALID = log(MISMATCH_E_VALUE)


def decide(wins: Wins) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Return for each run whether a winner was ever named, and at which label (else the last)."""
    won, counts = wins.cumsum(axis=1), np.arange(1, wins.shape[1] + 1)
    log_e = gammaln(1 + won) + gammaln(1 + counts - won) - gammaln(2 + counts) + counts * log(2)
    assert abs(log_e[0, -1] - log_e_value(int(won[0, -1]), int(counts[-1]))) < 1e-6
    reached = log_e >= -log(ALPHA)
    at = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, wins.shape[1])
    return reached.any(axis=1), at


def _false_winner_row(what: str, has_winner: npt.NDArray[np.bool_], simpler: str) -> Row:
    """Return a row on how often a winner is named although the versions are equal."""
    limit = ALPHA + 3 * sqrt(ALPHA * (1 - ALPHA) / len(has_winner))
    share = float(has_winner.mean())
    return Row(what, f"<= {limit:.1%}", f"{share:.1%}", share > limit, simpler)


def _mcnemar_error_rate(wins: Wins) -> float:
    """Return how often a fixed-sample test, made at each check, is significant at least once."""
    won, counts = wins.cumsum(axis=1), np.arange(1, wins.shape[1] + 1)
    statistic = (2 * won - counts) ** 2 / counts
    return float(np.mean((statistic > 3.841)[:, 9:].any(axis=1)))


def _in_review_order(wins: Wins, rng: Generator) -> Wins:
    """Return the labels in the service's order: by a hash of each prediction's id and the salt."""
    split = TrafficSplit(0.5, AssignmentUnit.REQUEST, rng.bytes(16).hex())
    order_keys = [split.review_order_key(UUID(bytes=rng.bytes(16))) for _ in range(wins.shape[1])]
    return wins[:, np.argsort(order_keys)]


def _log_mismatch(
    assigned_v2: npt.NDArray[np.bool_], weights: tuple[float, ...]
) -> npt.NDArray[np.float64]:
    """Return the mismatch's log e-value after every request, over stages of equal length."""
    found, before = [], 0.0
    for part, weight in zip(np.array_split(assigned_v2, len(weights)), weights, strict=True):
        v2, total = part.cumsum(), np.arange(1, len(part) + 1)
        log_e = gammaln(100.0) - gammaln(100.0 + total)
        for count, share in ((v2, weight), (total - v2, 1 - weight)):
            log_e += gammaln(100 * share + count) - gammaln(100 * share) - count * log(share)
        draws = AssignmentCounts(weight, int(total[-1] - v2[-1]), int(v2[-1]))
        assert abs(log_e[-1] - sample_ratio_mismatch.log_e_value(draws)) < 1e-6
        found.append(before + log_e)
        before += float(log_e[-1])
    return np.concatenate(found)


if __name__ == "__main__":
    main()
