"""Reviewer reliability, measured by attention checks: images with known digits."""

from app.domain.intervals import exact_binomial_interval

REQUIRED_ACCURACY = 0.95
ALPHA = 0.05
ATTENTION_CHECK_RATE = 0.05


def is_reliable(correct: int, answered: int) -> bool:
    """Return whether an accuracy of 95 % is consistent with these answers to attention checks."""
    return exact_binomial_interval(correct, answered, ALPHA).high >= REQUIRED_ACCURACY
