"""Confidence intervals and sequences for proportions and differences, each with its source.

`alpha` is always the error probability. A confidence sequence holds at every sample size at once, a
confidence interval at one that was fixed in advance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, lgamma, log, log1p, sqrt
from statistics import NormalDist

_BISECTIONS = 45
_MAX_TERMS = 1_000
_TOLERANCE = 1e-14
_OPTIMIZED_FOR = 5_000  # the sample size at which the asymptotic sequence is tightest


@dataclass(frozen=True)
class Interval:
    """A closed interval."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """Return the length of the interval."""
        return self.high - self.low


UNKNOWN_PROPORTION = Interval(0.0, 1.0)


def exact_binomial_interval(successes: int, trials: int, alpha: float) -> Interval:
    """Return an exact confidence interval of a proportion (Clopper and Pearson, 1934)."""
    if trials == 0:
        return UNKNOWN_PROPORTION
    failures = trials - successes
    low = high = successes / trials
    if successes:
        low = _bisect(lambda p: _beta_cdf(p, successes, failures + 1) > alpha / 2)
    if failures:
        high = _bisect(lambda p: _beta_cdf(p, successes + 1, failures) > 1 - alpha / 2)
    return Interval(low, high)


def proportion_confidence_sequence(successes: int, trials: int, alpha: float) -> Interval:
    """Return a confidence sequence of a proportion.

    It contains every proportion against which `log_e_value` stays below log(1/alpha): the uniform
    mixture (Howard, Ramdas, McAuliffe, Sekhon, 2021).
    """
    if trials == 0:
        return UNKNOWN_PROPORTION

    def is_inside(proportion: float) -> bool:
        return log_e_value(successes, trials, proportion) < -log(alpha)

    observed = successes / trials
    low = observed * _bisect(lambda part: is_inside(part * observed)) if successes else 0.0
    remainder = _bisect(lambda part: is_inside(1 - part * (1 - observed)))
    return Interval(low, 1 - (1 - observed) * remainder if successes < trials else 1.0)


def log_e_value(successes: int, trials: int, null: float = 0.5) -> float:
    """Return the log e-value against "success probability p = null": B(1+s, 1+f) / p^s (1-p)^f.

    An e-process: under the null it ever reaches 1/alpha with probability alpha at most, however
    often it is checked (Ramdas, Gruenwald, Vovk, Shafer, 2023).
    """
    failures = trials - successes
    likelihood = sum(
        count * (log(part) if part > 0 else float("-inf"))
        for count, part in ((successes, null), (failures, 1 - null))
        if count
    )
    return _log_beta(1 + successes, 1 + failures) - likelihood


@dataclass(frozen=True)
class SampleMean:
    """The count, mean and variance of a sample."""

    count: int
    mean: float
    variance: float


def mean_difference_confidence_sequence(
    first: SampleMean, second: SampleMean, alpha: float
) -> Interval:
    """Return an asymptotic confidence sequence of second - first (Waudby-Smith et al., 2021).

    Both means are in 0..1; the interval is -1..1 while a sample is empty.
    """
    if not (first.count and second.count):
        return Interval(-1.0, 1.0)
    total = first.count + second.count
    spread = sqrt(total * (first.variance / first.count + second.variance / second.count))
    tuned = (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / _OPTIMIZED_FOR
    grown = total * tuned + 1
    half = spread * sqrt(2 * grown / (total**2 * tuned) * log(sqrt(grown) / alpha))
    difference = second.mean - first.mean
    return Interval(max(-1.0, difference - half), min(1.0, difference + half))


def unpaired_labels_needed(first: float, second: float, alpha: float, power: float) -> float:
    """Return the labels, of both arms, for a classical test of two proportions.

    The formula is that of Fleiss, Levin and Paik (2003).
    """
    middle = (first + second) / 2
    at_chance = NormalDist().inv_cdf(1 - alpha / 2) * sqrt(2 * middle * (1 - middle))
    at_difference = NormalDist().inv_cdf(power) * sqrt(first * (1 - first) + second * (1 - second))
    return 2 * ((at_chance + at_difference) / (second - first)) ** 2


def paired_lower_bound(gained: int, lost: int, pairs: int, alpha: float) -> float:
    """Return a one-sided lower bound of a difference of paired proportions.

    The difference is (gained - lost) / pairs; the bound inverts the score test (Tango, 1998).
    """
    if pairs == 0:
        return -1.0
    critical = NormalDist().inv_cdf(1 - alpha)
    difference = (gained - lost) / pairs

    def is_inside(part: float) -> bool:
        tested = difference - part * (1 + difference)
        half = (2 * pairs - gained + lost) * tested - gained - lost
        root = sqrt(max(half * half + 8 * pairs * lost * tested * (1 - tested), 0.0))
        proportion_lost = (root - half) / (4 * pairs)
        spread = sqrt(pairs * max(2 * proportion_lost + tested * (1 - tested), 0.0))
        return gained - lost - pairs * tested >= critical * spread

    return difference - _bisect(is_inside) * (1 + difference)


def _bisect(is_beyond: Callable[[float], bool]) -> float:
    """Return the point in 0..1 from which a monotone predicate holds."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_beyond(middle) else (middle, high)
    return (low + high) / 2


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function (Abramowitz and Stegun, 26.5.8)."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_cdf(1 - x, b, a) if x < 1 else 1.0
    if x <= 0:
        return 0.0
    front = exp(a * log(x) + b * log1p(-x) - _log_beta(a, b)) / a
    return front / _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Evaluate 1 + d1/(1 + d2/(1 + ...)) by the ratio of its convergents (Lentz, 1976)."""
    value = ahead = 1.0
    behind = 0.0
    for term in range(1, _MAX_TERMS):
        half, odd = divmod(term, 2)
        if odd:
            numerator = -(a + half) * (a + b + half) / ((a + term - 1) * (a + term))
        else:
            numerator = half * (b - half) / ((a + term - 1) * (a + term))
        behind = 1 / (1 + numerator * x * behind)
        ahead = 1 + numerator * x / ahead
        value *= ahead * behind
        if abs(ahead * behind - 1) < _TOLERANCE:
            break
    return value
