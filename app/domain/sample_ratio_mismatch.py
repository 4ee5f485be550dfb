"""Sample ratio mismatch: whether the versions were assigned as often as the split says."""

from dataclasses import dataclass
from math import erfc, lgamma, log, sqrt

WARNING_P_VALUE = 0.001
MIN_EXPECTED_COUNT = 8.0
IMPOSSIBLE_LOG_E_VALUE = 1e9  # a version with weight 0 was assigned
_CONCENTRATION = 100.0


@dataclass(frozen=True)
class AssignmentCounts:
    """How often each version was assigned while v2's weight was `weight`."""

    weight: float
    v1: int
    v2: int


def log_e_value(counts: AssignmentCounts) -> float:
    """Return the log e-value against "assigned as the split says" (Lindon and Malek, 2022).

    It is valid at every sample size. The marginal likelihood of the counts under a Dirichlet prior
    of concentration 100 centered on the weight, divided by the likelihood under the weight. The
    logs of several stages add up.
    """
    parts = ((counts.v1, 1 - counts.weight), (counts.v2, counts.weight))
    if any(count and not probability for count, probability in parts):
        return IMPOSSIBLE_LOG_E_VALUE
    return (
        sum(
            lgamma(_CONCENTRATION * probability + count)
            - lgamma(_CONCENTRATION * probability)
            - count * log(probability)
            for count, probability in parts
            if probability
        )
        + lgamma(_CONCENTRATION)
        - lgamma(_CONCENTRATION + counts.v1 + counts.v2)
    )


def p_value(counts: AssignmentCounts) -> float | None:
    """Return Pearson's chi-square p-value; None below 8 expected assignments in an arm.

    It is valid for one sample size that was fixed in advance.
    """
    total = counts.v1 + counts.v2
    expected = total * counts.weight
    if min(expected, total - expected) < MIN_EXPECTED_COUNT:
        return None
    statistic = (counts.v2 - expected) ** 2 * (1 / expected + 1 / (total - expected))
    return erfc(sqrt(statistic / 2))
