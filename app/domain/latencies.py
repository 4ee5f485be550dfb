"""Latencies as counts in buckets that grow by a quarter of an octave, and quantiles of them."""

from collections.abc import Mapping
from math import ceil, log2

_STEPS_PER_OCTAVE = 4
_LAST = 120  # about a quarter of an hour


def bucket_of(latency_us: int) -> int:
    """The bucket of a latency in microseconds."""
    return min(_LAST, max(0, ceil(_STEPS_PER_OCTAVE * log2(max(latency_us, 1)))))


def quantile_ms(counts: Mapping[int, int], share: float) -> float | None:
    """The latency that this share stays within, to within a fifth; None of no answers."""
    wanted, seen = share * sum(counts.values()), 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted:
            return float(2 ** (bucket / _STEPS_PER_OCTAVE) / 1000)
    return None
