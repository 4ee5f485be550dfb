"""Assignment of A/B versions."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.assignment import Assignment, AssignmentUnit, TrafficSplit, Version

SALT = "a salt"


def v2_rate(split: TrafficSplit, user_ids: range) -> float:
    """Return the rate of v2 over one request of each user."""
    assigned = [split.assign(user_id, uuid4()).version for user_id in user_ids]
    return assigned.count(Version.V2) / len(assigned)


@pytest.mark.parametrize("unit", list(AssignmentUnit))
@pytest.mark.parametrize("weight", [0.05, 0.5, 0.9])
def test_v2_gets_its_weight_of_traffic(unit: AssignmentUnit, weight: float) -> None:
    standard_error = (weight * (1 - weight) / 20_000) ** 0.5
    found = v2_rate(TrafficSplit(weight, unit, SALT), range(20_000))
    assert found == pytest.approx(weight, abs=5 * standard_error)


@pytest.mark.parametrize(("weight", "version"), [(0.0, Version.V1), (1.0, Version.V2)])
def test_a_weight_of_zero_or_one_assigns_one_version_only(weight: float, version: Version) -> None:
    assigned = {
        TrafficSplit(weight, AssignmentUnit.REQUEST, SALT).assign(1, uuid4()) for _ in range(1000)
    }
    assert assigned == {Assignment(version, 1.0)}


@given(st.integers(1, 10**9), st.uuids(), st.uuids())
def test_a_user_keeps_a_version_if_users_are_assigned(user_id: int, one: UUID, other: UUID) -> None:
    split = TrafficSplit(0.5, AssignmentUnit.USER, SALT)
    assert split.assign(user_id, one) == split.assign(user_id, other)


def test_a_user_gets_both_versions_if_requests_are_assigned() -> None:
    split = TrafficSplit(0.5, AssignmentUnit.REQUEST, SALT)
    assert {split.assign(1, uuid4()).version for _ in range(100)} == set(Version)


def test_another_salt_splits_users_independently() -> None:
    one, other = (
        TrafficSplit(0.5, AssignmentUnit.USER, "one"),
        TrafficSplit(0.5, AssignmentUnit.USER, "other"),
    )
    same = [one.assign(i, uuid4()) == other.assign(i, uuid4()) for i in range(10_000)]
    assert sum(same) / len(same) == pytest.approx(0.5, abs=0.03)


@given(st.floats(0, 1), st.uuids())
def test_the_probability_is_that_of_the_assigned_version(weight: float, request_id: UUID) -> None:
    assigned = TrafficSplit(weight, AssignmentUnit.REQUEST, SALT).assign(1, request_id)
    assert assigned.probability == (weight if assigned.version is Version.V2 else 1 - weight)
