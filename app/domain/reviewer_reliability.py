"""Whose labels are learned from: what a reviewer made of pictures with known digits decides."""

from app.domain.intervals import exact_binomial

RELIABLE = 0.95
ALPHA = 0.05
PROBE_SHARE = 0.05


def is_reliable(right: int, read: int) -> bool:
    """Whether what a reviewer said of probes lets them be right at least 19 times in 20."""
    return exact_binomial(right, read, ALPHA).high >= RELIABLE
