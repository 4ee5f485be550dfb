"""Sample ratio mismatch: whether the versions were drawn as often as the split says."""

from dataclasses import dataclass
from math import erfc, lgamma, log, sqrt

WARNING_P_VALUE = 0.001
MIN_EXPECTED_COUNT = 8.0
IMPOSSIBLE_LOG_E_VALUE = 1e9  # the log where something happened that was set never to
_CONCENTRATION = 100.0


@dataclass(frozen=True)
class AssignmentCounts:
    """How often each version was drawn while v2's share was `weight`."""

    weight: float
    v1: int
    v2: int


def log_e_value(draws: AssignmentCounts) -> float:
    """Log of the e-value against "drawn as set", at every look (Lindon and Malek, 2022).

    The draws' likelihood under a Dirichlet prior of concentration 100 about the weight (50 and 50
    at one half), over that under the weight. Of several stages the logs add up.
    """
    parts = ((draws.v1, 1 - draws.weight), (draws.v2, draws.weight))
    if any(count and not share for count, share in parts):
        return IMPOSSIBLE_LOG_E_VALUE
    return (
        sum(
            lgamma(_CONCENTRATION * share + count)
            - lgamma(_CONCENTRATION * share)
            - count * log(share)
            for count, share in parts
            if share
        )
        + lgamma(_CONCENTRATION)
        - lgamma(_CONCENTRATION + draws.v1 + draws.v2)
    )


def p_value(draws: AssignmentCounts) -> float | None:
    """Pearson's chi-square for one look; None while an arm has fewer than 8 expected draws."""
    total = draws.v1 + draws.v2
    expected = total * draws.weight
    if min(expected, total - expected) < MIN_EXPECTED_COUNT:
        return None
    statistic = (draws.v2 - expected) ** 2 * (1 / expected + 1 / (total - expected))
    return erfc(sqrt(statistic / 2))
