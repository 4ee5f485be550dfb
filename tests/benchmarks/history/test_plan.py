from collections import Counter
from itertools import islice

from benchmarks.history import plan

ACTIONS = ["kill a server worker", "kill a decoder process", "restart the database"]


def test_the_same_seed_is_the_same_plan() -> None:
    steps = [list(plan.user_steps(seed, 3, 50)) for seed in (1, 1, 2)]
    assert steps[0] == steps[1] != steps[2]
    admins = [list(islice(plan.admin_steps(seed), 50)) for seed in (1, 1, 2)]
    assert admins[0] == admins[1] != admins[2]
    faults = [plan.plan_faults(seed, 1_000, 8, ACTIONS) for seed in (1, 1, 2)]
    assert faults[0] == faults[1] != faults[2]


def test_clients_have_plans_of_their_own() -> None:
    assert list(plan.user_steps(1, 0, 50)) != list(plan.user_steps(1, 1, 50))


def test_a_users_plan_ends_with_its_last_prediction() -> None:
    steps = list(plan.user_steps(1, 0, 200))
    assert sum(step.kind == "predict" for step in steps) == 200
    assert steps[-1].kind == "predict"
    assert {step.kind for step in steps} >= {"feedback", "list", "get", "erase"}


def test_faults_are_spread_over_the_run_and_over_the_actions() -> None:
    faults = plan.plan_faults(1, 1_000, 9, ACTIONS)
    moments = [fault.after for fault in faults]
    assert moments == sorted(moments)
    assert 50 < moments[0] < 150
    assert 850 < moments[-1] < 950
    assert Counter(fault.action for fault in faults) == dict.fromkeys(ACTIONS, 3)
