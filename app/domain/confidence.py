"""How sure a model says it is, in ranges: fine where most answers are, near certainty."""

from bisect import bisect_right

EDGES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)

HIGH_CONFIDENCE = 0.95  # from there on admins may want to know when an answer is contradicted


def bucket_of(probability: float) -> int:
    """The range of a top probability, 0 for the least sure."""
    return bisect_right(EDGES, probability)
