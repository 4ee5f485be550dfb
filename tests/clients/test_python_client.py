"""Images, feedback and history with the Python client, against a running server."""

import inspect
import io
from contextlib import redirect_stdout
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import cifra_client
from cifra_client import (
    Cifra,
    CifraError,
    Conflict,
    ImageRejected,
    InvalidInput,
    NotFound,
    Prediction,
    Unprocessable,
    errors,
)
from tests.clients.logins import new_user
from tests.conftest import Disagreements, GoldenSet
from tests.support.server_process import QUICK, ROOT, Server, serve

SEVEN = ROOT / "examples" / "digits" / "7.png"


def test_image_is_predicted_from_bytes_path_and_file_by_every_route(client: Cifra) -> None:
    with SEVEN.open("rb") as file:
        from_file = client.predict(file, via="v1")
    predictions = [client.predict(SEVEN), client.predict(SEVEN.read_bytes(), via="ab"), from_file]
    assert [each.digit for each in predictions] == [7, 7, 7]
    assert (predictions[0].version, predictions[2].version) == ("v2", "v1")
    assert sum(predictions[0].probabilities) == pytest.approx(1)
    assert predictions[0].probabilities[7] == predictions[0].probability
    assert predictions[0].model.name == "cifra-improved"


def test_predictions_are_immutable(client: Cifra) -> None:
    prediction = client.predict(SEVEN)
    with pytest.raises(FrozenInstanceError):
        prediction.digit = 8  # type: ignore[misc]


def test_invalid_image_is_rejected_with_the_servers_details(client: Cifra) -> None:
    with pytest.raises(ImageRejected) as rejected:
        client.predict(b"no image")
    assert (rejected.value.status, rejected.value.title) == (415, "Unreadable image")
    assert rejected.value.detail.startswith("The file is not a PNG")
    assert rejected.value.request_id is not None
    assert rejected.value.request_id in str(rejected.value)


def test_batch_returns_a_prediction_or_an_error_for_each(client: Cifra) -> None:
    good, bad = client.predict_batch([SEVEN, b"no image"])
    assert isinstance(good, Prediction)
    assert good.digit == 7
    assert isinstance(bad, ImageRejected)
    assert bad.status == 415


def test_feedback_is_given_replaced_and_shown_with_the_shadow_prediction(
    client: Cifra, disagreements: Disagreements
) -> None:
    prediction = client.predict(disagreements.pngs[0], via="ab")
    assert next(client.history(1)).feedback is None
    client.feedback(prediction.id, correct=True, comment="so it is")
    with pytest.raises(Conflict):
        client.feedback(prediction.id, not_a_digit=True)
    client.feedback(prediction.id, not_a_digit=True, replace=True)
    past = next(client.history(1))
    assert past.id == prediction.id
    assert past.feedback is not None
    assert (past.feedback.not_a_digit, past.feedback.comment) == (True, "so it is")
    assert past.shadow_prediction is not None
    assert {past.digit, past.shadow_prediction.digit} == {
        disagreements.v1_digits[0],
        disagreements.v2_digits[0],
    }


def test_contradictory_feedback_and_other_users_predictions_are_rejected(
    server: Server, client: Cifra
) -> None:
    prediction = client.predict(SEVEN)
    with pytest.raises(Unprocessable):
        client.feedback(prediction.id, correct=True, digit=3)
    with pytest.raises(InvalidInput):
        client.feedback(prediction.id)
    with new_user(server, "other user") as other_user, pytest.raises(NotFound):
        other_user.feedback(prediction.id, correct=True)


def test_history_spans_pages_and_stops_at_the_limit(client: Cifra, golden: GoldenSet) -> None:
    client.predict_batch([golden.png(index) for index in range(103)])
    whole = [past.id for past in client.history()]
    assert len(set(whole)) == 103
    assert whole == sorted(whole, reverse=True)
    assert [past.id for past in client.history(5)] == whole[:5]


def test_erased_prediction_is_gone(client: Cifra) -> None:
    prediction = client.predict(SEVEN)
    assert client.image(prediction.id).startswith(b"\x89PNG")
    client.erase(prediction.id)
    assert list(client.history()) == []
    with pytest.raises(NotFound):
        client.image(prediction.id)


def test_error_classes_match_the_documented_tree() -> None:
    drawn = [line.split()[1:] for line in (errors.__doc__ or "").splitlines() if "──" in line]
    kinds = {name: getattr(cifra_client, name) for name, *_ in drawn}
    assert set(kinds.values()) == {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, CifraError) and kind is not CifraError
    }
    by_status = {name: int(words[0][:3]) for name, *words in drawn if words[0][:3].isdigit()}
    del by_status["ImageRejected"]  # recognized by its title
    for name, status in by_status.items():
        assert type(errors.ApiError.of(status, "A title", "A detail")) is kinds[name]


def test_client_readme_prints_its_documented_output(tmp_path: Path) -> None:
    readme = (ROOT / "clients" / "python" / "README.md").read_text()
    code = readme.split("```python\n")[1].split("```")[0]
    printed = readme.split("```text\n")[1].split("```")[0]
    with serve(tmp_path, **QUICK) as server, redirect_stdout(io.StringIO()) as printed_output:
        exec(code.replace("http://127.0.0.1:5000", server.url), {})
    assert printed_output.getvalue() == printed
