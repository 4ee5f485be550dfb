"""The Python client's live events, against a running server."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cifra_client import (
    Cifra,
    Comparison,
    Event,
    FeedbackTotals,
    NotAuthenticated,
    NotLoggedIn,
    Reconnected,
    Reviewed,
    Subscription,
    TimedOut,
    Traffic,
    Unreachable,
)
from tests.clients.logins import PASSWORD, admin_of, new_user
from tests.conftest import Disagreements
from tests.support.server_process import UNLIMITED, Server, free_port, serve

TIMEOUT_S = 15.0


def until(events: Subscription, matches: Callable[[Event], bool]) -> Event:
    """Return the first event that matches."""
    while True:
        event = events.receive(TIMEOUT_S)
        assert event is not None
        if matches(event):
            return event


def test_admin_receives_traffic_feedback_and_the_experiment(
    tmp_path: Path, disagreements: Disagreements
) -> None:
    with (
        serve(tmp_path, **UNLIMITED) as server,
        admin_of(server) as admin,
        new_user(server, "sender") as sender,
        admin.subscribe() as events,
    ):
        prediction = sender.predict(disagreements.pngs[0], via="ab")
        # A subscription starts with the present state, which may still be without the prediction.
        traffic = until(events, lambda event: isinstance(event, Traffic) and event.requests > 0)
        sender.feedback(prediction.id, correct=False)
        totals = until(
            events, lambda event: isinstance(event, FeedbackTotals) and event.total_feedback > 0
        )
        until(events, lambda event: isinstance(event, Comparison))
    assert isinstance(traffic, Traffic)
    assert (traffic.requests, traffic.disagreements, traffic.pending_reviews) == (1, 1, 1)
    assert isinstance(totals, FeedbackTotals)
    assert (totals.total_feedback, totals.incorrect_feedback) == (1, 1)


def test_user_receives_only_reviews_of_their_own_images(
    server: Server, disagreements: Disagreements
) -> None:
    received: list[Event] = []
    came = threading.Event()

    def take(event: Event) -> None:
        received.append(event)
        came.set()

    with admin_of(server) as admin, new_user(server, "listener") as sender:
        events = sender.subscribe(take)
        prediction = sender.predict(disagreements.pngs[1], via="ab")
        while (item := admin.review_next()) is not None:
            admin.review(item.prediction_id, digit=disagreements.labels[1])
            if item.prediction_id == prediction.id:
                break
        assert came.wait(TIMEOUT_S)
        events.close()
    assert received == [Reviewed(prediction.id, disagreements.labels[1], not_a_digit=False)]


def test_subscription_reconnects_after_a_server_restart(
    tmp_path: Path, disagreements: Disagreements
) -> None:
    with serve(tmp_path, **UNLIMITED) as server:
        port, admin, sender = server.port, admin_of(server), new_user(server, "sender")
        events = admin.subscribe()
        again = {"PORT": str(port)}
    with admin, sender, serve(tmp_path, **UNLIMITED, **again), events:
        assert until(events, lambda event: isinstance(event, Reconnected))
        sender.predict(disagreements.pngs[0], via="ab")
        # The first one may have been sent before the prediction.
        assert until(events, lambda event: isinstance(event, Traffic) and event.requests == 1)


def test_iteration_stops_when_the_subscription_is_closed(server: Server) -> None:
    with admin_of(server) as admin:
        events = admin.subscribe()
        threading.Timer(0.3, events.close).start()
        assert all(event is not None for event in events)
        assert events.receive(TIMEOUT_S) is None


def test_timeout_without_events_is_reported(server: Server) -> None:
    with (
        new_user(server, "in silence") as client,
        client.subscribe() as events,
        pytest.raises(TimedOut),
    ):
        events.receive(0.2)


def test_subscribing_needs_a_valid_login(server: Server) -> None:
    with Cifra(server.url) as client, pytest.raises(NotLoggedIn):
        client.subscribe()
    with new_user(server, "leaver") as client:
        token = client._transport._current()
        client.logout()
        client._transport._tokens = token
        with pytest.raises(NotAuthenticated):
            client.subscribe()


def test_login_that_ends_during_a_subscription_is_reported(server: Server) -> None:
    with new_user(server, "going") as client, client.subscribe() as events:
        token = client._transport._current()
        client.logout()
        client._transport._tokens = token
        with pytest.raises(NotAuthenticated):
            until(events, lambda _: False)


def test_unreachable_server_is_reported() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with Cifra(nowhere, timeout_s=2) as client, pytest.raises(Unreachable):
        client.login("admin", PASSWORD)
