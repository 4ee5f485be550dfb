"""Latencies as counts in buckets that grow by a quarter of an octave, and quantiles of them."""

from collections.abc import Mapping
from math import ceil, inf, log2

_STEPS_PER_OCTAVE = 4
_LAST_BUCKET = 120  # about a quarter of an hour
_BOUND_OCTAVES = range(8, 25)  # from a quarter of a millisecond to a quarter of a minute


def bucket_of(latency_us: int) -> int:
    """The bucket of a latency in microseconds."""
    return min(_LAST_BUCKET, max(0, ceil(_STEPS_PER_OCTAVE * log2(max(latency_us, 1)))))


def quantile_ms(counts: Mapping[int, int], share: float) -> float | None:
    """The latency that this share stays within, to within a fifth; None of no answers."""
    wanted, seen = share * sum(counts.values()), 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted:
            return float(2 ** (bucket / _STEPS_PER_OCTAVE) / 1000)
    return None


def cumulative_counts(counts: Mapping[int, int]) -> list[tuple[float, int]]:
    """How many answers took no longer than each of a few bounds, in seconds; all for the last."""
    bounds = [(octave * _STEPS_PER_OCTAVE, 2**octave / 1e6) for octave in _BOUND_OCTAVES]
    return [
        (bound_s, sum(count for bucket, count in counts.items() if bucket <= last))
        for last, bound_s in [*bounds, (_LAST_BUCKET, inf)]
    ]


def total_s(counts: Mapping[int, int]) -> float:
    """All latencies together, to within a tenth: each as long as the middle of its bucket."""
    middles_us = {bucket: 2 ** ((bucket - 0.5) / _STEPS_PER_OCTAVE) for bucket in counts}
    return sum(count * middles_us[bucket] for bucket, count in counts.items()) / 1e6
