"""The Python client's live events, against a served Cifra."""

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
from tests.clients.logins import PASSWORD, admin_of, newcomer
from tests.conftest import Disagreements
from tests.support.server_process import UNLIMITED, Server, free_port, serve

SOON_S = 15.0


def until(events: Subscription, is_it: Callable[[Event], bool]) -> Event:
    """The first event that is it."""
    while True:
        event = events.receive(SOON_S)
        assert event is not None
        if is_it(event):
            return event


def test_an_admin_hears_of_traffic_words_and_the_experiment(
    tmp_path: Path, disagreements: Disagreements
) -> None:
    with (
        serve(tmp_path, **UNLIMITED) as server,
        admin_of(server) as admin,
        newcomer(server, "sender") as sender,
        admin.subscribe() as events,
    ):
        made = sender.predict(disagreements.pngs[0], via="ab")
        traffic = until(events, lambda event: isinstance(event, Traffic))
        sender.feedback(made.id, correct=False)
        words = until(events, lambda event: isinstance(event, FeedbackTotals))
        until(events, lambda event: isinstance(event, Comparison))
    assert isinstance(traffic, Traffic)
    assert (traffic.requests, traffic.disagreements, traffic.pending_reviews) == (1, 1, 1)
    assert isinstance(words, FeedbackTotals)
    assert (words.total_feedback, words.incorrect_feedback) == (1, 1)


def test_a_user_hears_what_a_reviewer_said_of_their_image_and_of_nothing_else(
    server: Server, disagreements: Disagreements
) -> None:
    heard: list[Event] = []
    came = threading.Event()

    def take(event: Event) -> None:
        heard.append(event)
        came.set()

    with admin_of(server) as admin, newcomer(server, "listener") as sender:
        events = sender.subscribe(take)
        made = sender.predict(disagreements.pngs[1], via="ab")
        while (item := admin.review_next()) is not None:
            admin.review(item.prediction_id, digit=disagreements.labels[1])
            if item.prediction_id == made.id:
                break
        assert came.wait(SOON_S)
        events.close()
    assert heard == [Reviewed(made.id, disagreements.labels[1], not_a_digit=False)]


def test_a_subscription_comes_back_after_the_server_does(
    tmp_path: Path, disagreements: Disagreements
) -> None:
    with serve(tmp_path, **UNLIMITED) as server:
        port, admin, sender = server.port, admin_of(server), newcomer(server, "sender")
        events = admin.subscribe()
        again = {"PORT": str(port)}
    with admin, sender, serve(tmp_path, **UNLIMITED, **again), events:
        assert until(events, lambda event: isinstance(event, Reconnected))
        sender.predict(disagreements.pngs[0], via="ab")
        traffic = until(events, lambda event: isinstance(event, Traffic))
    assert isinstance(traffic, Traffic)
    assert traffic.requests == 1


def test_whoever_iterates_stops_when_it_is_closed(server: Server) -> None:
    with admin_of(server) as admin:
        events = admin.subscribe()
        threading.Timer(0.3, events.close).start()
        assert all(event is not None for event in events)
        assert events.receive(SOON_S) is None


def test_nothing_heard_in_time_is_told(server: Server) -> None:
    with (
        newcomer(server, "in silence") as client,
        client.subscribe() as events,
        pytest.raises(TimedOut),
    ):
        events.receive(0.2)


def test_nobody_listens_without_a_login_or_with_one_that_has_ended(server: Server) -> None:
    with Cifra(server.url) as client, pytest.raises(NotLoggedIn):
        client.subscribe()
    with newcomer(server, "leaver") as client:
        token = client._transport._current()
        client.logout()
        client._transport._tokens = token
        with pytest.raises(NotAuthenticated):
            client.subscribe()


def test_a_login_that_ends_while_somebody_listens_is_told(server: Server) -> None:
    with newcomer(server, "going") as client, client.subscribe() as events:
        token = client._transport._current()
        client.logout()
        client._transport._tokens = token
        with pytest.raises(NotAuthenticated):
            until(events, lambda _: False)


def test_no_server_is_told() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with Cifra(nowhere, timeout_s=2) as client, pytest.raises(Unreachable):
        client.login("admin", PASSWORD)
