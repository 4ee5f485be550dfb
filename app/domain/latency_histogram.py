"""Latency histogram with exponential buckets, four to an octave, and its quantiles."""

from collections.abc import Mapping
from math import ceil, inf, log2

_STEPS_PER_OCTAVE = 4
_LAST_BUCKET = 120  # about 18 minutes
_BOUND_OCTAVES = range(8, 25)  # 2**8 to 2**24 us: 0.26 ms to 17 s


def bucket_of(latency_us: int) -> int:
    """Return the bucket of a latency in microseconds."""
    return min(_LAST_BUCKET, max(0, ceil(_STEPS_PER_OCTAVE * log2(max(latency_us, 1)))))


def quantile_ms(counts: Mapping[int, int], quantile: float) -> float | None:
    """Return a quantile in milliseconds, to within a fifth; None for an empty histogram."""
    wanted, seen = quantile * sum(counts.values()), 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted:
            return float(2 ** (bucket / _STEPS_PER_OCTAVE) / 1000)
    return None


def cumulative_counts(counts: Mapping[int, int]) -> list[tuple[float, int]]:
    """Return (upper bound in seconds, cumulative count) pairs; the last bound is infinity."""
    bounds = [(octave * _STEPS_PER_OCTAVE, 2**octave / 1e6) for octave in _BOUND_OCTAVES]
    return [
        (bound_s, sum(count for bucket, count in counts.items() if bucket <= last))
        for last, bound_s in [*bounds, (_LAST_BUCKET, inf)]
    ]


def total_s(counts: Mapping[int, int]) -> float:
    """Return the sum of all latencies in seconds, to within a tenth, from bucket midpoints."""
    midpoints_us = {bucket: 2 ** ((bucket - 0.5) / _STEPS_PER_OCTAVE) for bucket in counts}
    return sum(count * midpoints_us[bucket] for bucket, count in counts.items()) / 1e6
