"""Whose labels are learned from: what a reviewer made of pictures with known digits decides."""

from app.domain.intervals import exact_binomial_interval

REQUIRED_ACCURACY = 0.95
ALPHA = 0.05
ATTENTION_CHECK_RATE = 0.05


def is_reliable(right: int, read: int) -> bool:
    """Whether what a reviewer said of probes lets them be right at least 19 times in 20."""
    return exact_binomial_interval(right, read, ALPHA).high >= REQUIRED_ACCURACY
