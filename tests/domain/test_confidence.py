"""Confidence buckets."""

import pytest

from app.domain.confidence import EDGES, bucket_of


@pytest.mark.parametrize(
    ("probability", "bucket"), [(0.1, 0), (0.4999, 0), (0.5, 1), (0.9989, 8), (0.999, 9), (1.0, 9)]
)
def test_a_probability_is_in_the_bucket_whose_lower_edge_it_reaches(
    probability: float, bucket: int
) -> None:
    assert bucket_of(probability) == bucket


def test_the_edges_increase() -> None:
    assert list(EDGES) == sorted(set(EDGES))
