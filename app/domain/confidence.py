"""Confidence buckets, narrow near certainty, where most predictions are."""

from bisect import bisect_right

EDGES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)

HIGH_CONFIDENCE = 0.95  # from here on, feedback that contradicts a prediction notifies admins


def bucket_of(probability: float) -> int:
    """Return the bucket of a top probability, 0 for the lowest."""
    return bisect_right(EDGES, probability)
