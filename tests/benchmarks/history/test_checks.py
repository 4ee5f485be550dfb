from dataclasses import replace

import pytest

from benchmarks.history.checks.deployments import longest_staleness_s
from benchmarks.history.findings import (
    COUNTER,
    DAMAGED,
    DUPLICATE,
    ENDED,
    LOST,
    RESURRECTED,
    STALE,
    UNEXPECTED,
    WRONG_VALUE,
    explain,
)
from benchmarks.history.trace import (
    BEGINS,
    READY,
    Event,
    StoredDeployment,
    StoredFeedback,
    StoredLabel,
    Trace,
)
from tests.benchmarks.history.small_history import (
    ANA,
    ANA_ID,
    REVIEWER,
    REVIEWER_ID,
    add,
    findings,
    kinds,
    operation,
    predict,
    small_history,
    stored,
)


@pytest.fixture
def history() -> Trace:
    return small_history()


def test_a_sound_history_has_no_findings(history: Trace) -> None:
    assert findings(history) == []


class TestLostWrites:
    def test_a_prediction_without_a_row(self, history: Trace) -> None:
        del history.state.predictions["p1"]
        history.state.exported.clear()
        assert kinds(history) == {LOST}

    def test_a_prediction_that_nobody_erased_without_its_owner(self, history: Trace) -> None:
        history.state.predictions["p4"] = stored("m2", None)
        assert kinds(history) == {LOST}

    @pytest.mark.parametrize("kind", ["get", "image", "erase", "feedback"])
    def test_a_prediction_that_is_not_found(self, history: Trace, kind: str) -> None:
        assert kinds(add(history, operation(kind, 50, "rejected", prediction_id="p1"))) == {LOST}

    def test_a_prediction_that_a_later_list_leaves_out(self, history: Trace) -> None:
        answer = {"entries": [["p4", None], ["p3", None]]}
        assert kinds(add(history, operation("list", 50, answer=answer, limit=20))) == {LOST}

    def test_pages_need_to_show_only_what_is_theirs(self, history: Trace) -> None:
        first = operation("list", 50, answer={"entries": [["p4", None], ["p3", None]]}, limit=2)
        second = operation("list", 52, answer={"entries": [["p1", "c1"]]}, limit=2, before="p3")
        assert findings(add(history, first, second)) == []

    def test_feedback_without_a_row(self, history: Trace) -> None:
        del history.state.feedback[0]
        assert kinds(history) == {LOST}

    def test_feedback_that_a_later_read_does_not_show(self, history: Trace) -> None:
        answer = {"version": "v1", "model": "m1", "digit": 7, "comment": None}
        read = operation("get", 50, answer=answer, prediction_id="p1")
        assert kinds(add(history, read)) == {LOST}

    def test_feedback_of_an_old_client_without_a_row(self, history: Trace) -> None:
        del history.state.feedback[1]
        assert kinds(history) == {LOST}

    def test_a_label_without_a_row(self, history: Trace) -> None:
        history.state.labels.clear()
        assert kinds(history) == {LOST}

    def test_a_labeled_image_that_is_handed_out_again(self, history: Trace) -> None:
        item = operation("next_item", 50, answer={"id": "p1"}, account=REVIEWER)
        assert kinds(add(history, item)) == {LOST}

    def test_a_deployment_without_a_row(self, history: Trace) -> None:
        del history.state.deployments[1]
        assert LOST in kinds(history)

    def test_a_deployment_that_a_later_list_leaves_out(self, history: Trace) -> None:
        assert kinds(add(history, operation("list_deployments", 50, answer={"ids": [1]}))) == {LOST}

    def test_an_account_without_a_row(self, history: Trace) -> None:
        del history.state.accounts[REVIEWER]
        history.state.labels.clear()
        assert kinds(history) == {LOST}

    def test_an_account_that_is_rejected(self, history: Trace) -> None:
        assert kinds(add(history, operation("login", 50, "rejected", status=401))) == {LOST}

    def test_an_account_that_an_admins_list_leaves_out(self, history: Trace) -> None:
        answer = {"accounts": [REVIEWER], "is_full": False}
        assert kinds(add(history, operation("list_accounts", 50, answer=answer))) == {LOST}


class TestDuplicates:
    def test_more_rows_than_requests_without_a_response(self, history: Trace) -> None:
        history.state.predictions["p5"] = stored()
        history.state.served["v1"] = 5
        assert DUPLICATE in kinds(history)

    def test_an_unknown_prediction_need_not_be_stored(self, history: Trace) -> None:
        del history.state.predictions["p3"]
        assert findings(history) == []

    def test_two_rows_of_feedback_on_one_prediction(self, history: Trace) -> None:
        history.state.feedback.append(history.state.feedback[0])
        assert kinds(history) == {DUPLICATE}

    def test_two_rows_of_one_feedback_of_an_old_client(self, history: Trace) -> None:
        history.state.feedback.append(history.state.feedback[1])
        assert kinds(history) == {DUPLICATE}

    def test_rejected_feedback_that_is_stored(self, history: Trace) -> None:
        rejected = operation("legacy_feedback", 50, "rejected", status=409, comment="c3")
        history.state.feedback.append(StoredFeedback(None, ANA_ID, True, "c3"))
        assert kinds(add(history, rejected)) == {DUPLICATE}

    def test_two_rows_of_one_label(self, history: Trace) -> None:
        history.state.labels *= 2
        assert kinds(history) == {DUPLICATE}

    def test_a_deployment_that_nobody_requested(self, history: Trace) -> None:
        history.state.deployments.append(StoredDeployment(3, "v2", "m9", False, "deployed"))
        assert kinds(history) == {DUPLICATE}

    def test_an_unknown_deployment_may_be_stored(self, history: Trace) -> None:
        history.state.deployments.append(StoredDeployment(3, "v1", "m3", False, "deployed"))
        unknown = operation("deploy", 50, "unknown", version="v1", model="m3")
        assert findings(add(history, unknown)) == []


class TestWrongValues:
    def test_a_row_that_differs_from_the_answer(self, history: Trace) -> None:
        history.state.predictions["p1"] = replace(stored(), digit=1)
        assert kinds(history) == {WRONG_VALUE}

    def test_a_read_that_differs_from_the_answer(self, history: Trace) -> None:
        answer = {"version": "v1", "model": "m1", "digit": 1, "comment": "c1"}
        read = operation("get", 50, answer=answer, prediction_id="p1")
        assert kinds(add(history, read)) == {WRONG_VALUE}

    def test_feedback_that_a_later_write_replaced(self, history: Trace) -> None:
        replaced = operation("feedback", 50, prediction_id="p1", correct=False, comment="c9")
        assert kinds(add(history, replaced)) == {WRONG_VALUE}

    def test_either_of_two_concurrent_writes_may_be_the_last(self, history: Trace) -> None:
        writes = [
            operation("feedback", at, prediction_id="p4", correct=True, comment=comment)
            for at, comment in ((50, "c8"), (50.5, "c9"))
        ]
        for comment in ("c8", "c9"):
            state = history.state
            rows = [*state.feedback[:2], StoredFeedback("p4", ANA_ID, True, comment)]
            assert (
                findings(replace(add(history, *writes), state=replace(state, feedback=rows))) == []
            )

    def test_an_unknown_write_may_be_the_last_or_not(self, history: Trace) -> None:
        unknown = operation(
            "feedback", 50, "unknown", prediction_id="p1", correct=False, comment="c9"
        )
        trace = add(history, unknown)
        assert findings(trace) == []
        trace.state.feedback[0] = StoredFeedback("p1", ANA_ID, False, "c9")
        assert findings(trace) == []

    def test_feedback_with_another_value_than_was_sent(self, history: Trace) -> None:
        history.state.feedback[0] = StoredFeedback("p1", ANA_ID, False, "c1")
        assert kinds(history) == {WRONG_VALUE}

    def test_a_conflict_with_no_other_feedback(self, history: Trace) -> None:
        conflict = operation("feedback", 50, "rejected", status=409, prediction_id="p4")
        assert kinds(add(history, conflict)) == {WRONG_VALUE}

    def test_another_label_than_was_sent(self, history: Trace) -> None:
        history.state.labels[0] = StoredLabel("p1", REVIEWER_ID, 1)
        assert kinds(history) == {WRONG_VALUE}

    def test_an_undone_label_is_gone(self, history: Trace) -> None:
        undo = operation("undo", 50, account=REVIEWER, prediction_id="p1")
        assert kinds(add(history, undo)) == {DUPLICATE}
        history.state.labels.clear()
        assert findings(add(history, undo)) == []


class TestStaleModels:
    def test_a_replaced_model_that_goes_on_serving(self, history: Trace) -> None:
        stale = predict(60, "p6", "m1")
        history.state.predictions["p6"] = stored("m1")
        history.state.served["v1"] = 5
        assert kinds(add(history, stale)) == {STALE}

    def test_both_models_may_answer_while_one_replaces_the_other(self, history: Trace) -> None:
        history.state.served["v1"] = 6
        predictions = [predict(20.5, "p6", "m1"), predict(20.5, "p7", "m2")]
        for each in predictions:
            history.state.predictions[each.answer["id"]] = stored(each.answer["model"])
        history.operations[11].answer["entries"] += [["p6", None], ["p7", None]]
        assert findings(add(history, *predictions)) == []

    def test_a_deployment_that_took_long_permits_the_replaced_model_for_longer(
        self, history: Trace
    ) -> None:
        slow = replace(history.operations[9], invoked=10.0, completed=52.0)
        history.operations[9] = slow
        history.state.predictions["p6"] = stored("m1")
        history.state.served["v1"] = 5
        assert findings(add(history, predict(60, "p6", "m1"))) == []
        assert kinds(add(history, predict(160, "p6", "m1"))) == {STALE}

    def test_an_unknown_deployment_permits_both_models_from_then_on(self, history: Trace) -> None:
        unknown = operation("deploy", 50, "unknown", version="v1", model="m3")
        history.state.deployments.append(StoredDeployment(3, "v1", "m3", False, "deployed"))
        predictions = [predict(60, "p6", "m2"), predict(62, "p7", "m3")]
        for each in predictions:
            history.state.predictions[each.answer["id"]] = stored(each.answer["model"])
        history.state.served["v1"] = 6
        assert findings(add(history, unknown, *predictions)) == []

    def test_an_unknown_deployment_of_a_bundled_model_is_not_its_first(
        self, history: Trace
    ) -> None:
        unknown = operation("deploy", 50, "unknown", version="v1", model="m1")
        assert findings(add(history, unknown)) == []

    def test_a_model_that_was_never_deployed(self, history: Trace) -> None:
        history.state.predictions["p6"] = stored("m9")
        history.state.served["v1"] = 5
        assert kinds(add(history, predict(60, "p6", "m9"))) == {STALE}

    def test_a_model_before_its_deployment(self, history: Trace) -> None:
        history.state.predictions["p0"] = stored("m2")
        history.state.served["v1"] = 5
        history.operations[11].answer["entries"].append(["p0", None])
        assert kinds(add(history, predict(8, "p0", "m2"))) == {STALE}

    def test_the_longest_staleness_counts_from_the_acknowledgment(self, history: Trace) -> None:
        assert longest_staleness_s(history) == 0
        assert longest_staleness_s(add(history, predict(23, "p6", "m1"))) == 2


class TestResurrectedErasures:
    @pytest.mark.parametrize("kind", ["get", "image", "erase", "feedback", "label"])
    def test_an_erased_prediction_that_is_found(self, history: Trace, kind: str) -> None:
        answer = {"version": "v1", "model": "m1", "digit": 7, "comment": None}
        found = operation(kind, 50, answer=answer, prediction_id="p2", label=1, comment="c")
        assert RESURRECTED in kinds(add(history, found))

    def test_an_erased_prediction_in_a_list(self, history: Trace) -> None:
        entries = [[name, "c1" if name == "p1" else None] for name in ("p4", "p2", "p1")]
        read = operation("list", 50, answer={"entries": entries}, limit=20)
        assert kinds(add(history, read)) == {RESURRECTED}

    def test_an_erased_image_in_the_review_queue(self, history: Trace) -> None:
        item = operation("next_item", 50, answer={"id": "p2"}, account=REVIEWER)
        assert kinds(add(history, item)) == {RESURRECTED}

    def test_an_erased_prediction_with_its_row(self, history: Trace) -> None:
        history.state.predictions["p2"] = stored()
        assert kinds(history) == {RESURRECTED}

    def test_feedback_on_an_erased_prediction(self, history: Trace) -> None:
        history.state.feedback.append(StoredFeedback("p2", ANA_ID, True, None))
        assert RESURRECTED in kinds(history)

    def test_an_erased_image_that_waits_for_review(self, history: Trace) -> None:
        history.state.open_items.append("p2")
        assert kinds(history) == {RESURRECTED}

    def test_a_label_of_an_erased_image_that_is_exported(self, history: Trace) -> None:
        history.state.exported.append(("another hash", 7, ANA_ID))
        assert kinds(history) == {RESURRECTED}

    def test_what_is_being_erased_may_be_seen_or_not(self, history: Trace) -> None:
        reads = [
            operation("image", 40.5, outcome, prediction_id="p2") for outcome in ("ok", "rejected")
        ]
        assert findings(add(history, *reads)) == []

    def test_a_deleted_account_with_its_row_predictions_and_feedback(self, history: Trace) -> None:
        found = findings(add(history, operation("delete_account", 50)))
        assert {each.kind for each in found} == {RESURRECTED}
        assert {each.what for each in found} >= {
            "account ana",
            "prediction p1",
            "feedback 'c2' of ana",
        }

    @pytest.mark.parametrize("kind", ["login", "legacy_feedback"])
    def test_a_deleted_account_that_is_used(self, history: Trace, kind: str) -> None:
        used = operation(kind, 60, comment="c5")
        found = findings(add(history, operation("delete_account", 50), used))
        assert f"{kind} of account ana" in {each.what for each in found}

    def test_a_deleted_account_in_an_admins_list(self, history: Trace) -> None:
        listing = operation(
            "list_accounts", 60, answer={"accounts": [ANA, REVIEWER], "is_full": False}
        )
        found = findings(add(history, operation("delete_account", 50), listing))
        assert "account ana in an admin's list" in {each.what for each in found}


class TestCounters:
    @pytest.mark.parametrize("served", [2, 5])
    def test_a_counter_that_is_off_by_one(self, history: Trace, served: int) -> None:
        history.state.served["v1"] = served  # 3 are acknowledged, 1 has no response
        assert kinds(history) == {COUNTER}

    def test_a_counter_that_differs_from_the_recount(self, history: Trace) -> None:
        history.state.counter_differences.append("feedback (0, 'v1'): counter (2,), rows (1,)")
        assert kinds(history) == {COUNTER}

    def test_a_fault_of_the_database(self, history: Trace) -> None:
        history.state.database_faults.append("row 1 missing from index")
        assert kinds(history) == {DAMAGED}


def test_a_status_that_the_api_does_not_document(history: Trace) -> None:
    failed = operation("predict", 50, "unknown", status=500, route="v1")
    assert kinds(add(history, failed)) == {UNEXPECTED}
    unavailable = operation("predict", 50, "unknown", status=503, route="v1")
    assert findings(add(history, unavailable)) == []


def test_a_process_that_ended_by_itself(history: Trace) -> None:
    history.events += [
        Event("kill a server worker", BEGINS, 8.0),
        Event("kill a server worker", READY, 8.5),
    ]
    assert findings(history) == []
    history.events.append(Event("retrain worker", "ended by itself with 1", 9.0))
    assert kinds(history) == {ENDED}


def test_a_finding_names_what_was_expected_and_found_and_the_operations(history: Trace) -> None:
    del history.state.predictions["p1"]
    history.state.exported.clear()
    (finding,) = findings(history)
    text = explain(finding, [Event("kill a server worker", BEGINS, 3.1)])
    assert text.splitlines() == [
        "lost write: prediction p1",
        "  expected: a row, because it was acknowledged",
        "  found:    no row",
        (
            "        2.000 to     3.000 s  client: predict account=ana route=v1 image=0 -> ok (200)"
            " id=p1 version=v1 model=m1 digit=7"
        ),
        "        3.100 s               kill a server worker: begins",
    ]
