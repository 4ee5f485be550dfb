"""Images, words and history with the Python client, against a served Cifra."""

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
from tests.clients.logins import newcomer
from tests.conftest import Disagreements, GoldenSet
from tests.support.server_process import QUICK, ROOT, Server, serve

SEVEN = ROOT / "examples" / "digits" / "7.png"


def test_a_image_is_read_from_bytes_a_path_and_a_file_by_every_route(client: Cifra) -> None:
    with SEVEN.open("rb") as file:
        from_file = client.predict(file, via="v1")
    made = [client.predict(SEVEN), client.predict(SEVEN.read_bytes(), via="ab"), from_file]
    assert [each.digit for each in made] == [7, 7, 7]
    assert (made[0].version, made[2].version) == ("v2", "v1")
    assert sum(made[0].probabilities) == pytest.approx(1)
    assert made[0].probabilities[7] == made[0].probability
    assert made[0].model.name == "cifra-improved"


def test_answers_cannot_be_changed(client: Cifra) -> None:
    made = client.predict(SEVEN)
    with pytest.raises(FrozenInstanceError):
        made.digit = 8  # type: ignore[misc]


def test_a_image_that_is_none_is_refused_with_all_that_the_server_says(client: Cifra) -> None:
    with pytest.raises(ImageRejected) as refused:
        client.predict(b"no image")
    assert (refused.value.status, refused.value.title) == (415, "Unreadable image")
    assert refused.value.detail.startswith("The file is not a PNG")
    assert refused.value.request_id is not None
    assert refused.value.request_id in str(refused.value)


def test_a_batch_gives_an_answer_or_an_error_for_each(client: Cifra) -> None:
    good, bad = client.predict_batch([SEVEN, b"no image"])
    assert isinstance(good, Prediction)
    assert good.digit == 7
    assert isinstance(bad, ImageRejected)
    assert bad.status == 415


def test_words_are_taken_replaced_and_shown_with_what_the_other_version_said(
    client: Cifra, disagreements: Disagreements
) -> None:
    made = client.predict(disagreements.pngs[0], via="ab")
    assert next(client.history(1)).feedback is None
    client.feedback(made.id, correct=True, comment="so it is")
    with pytest.raises(Conflict):
        client.feedback(made.id, not_a_digit=True)
    client.feedback(made.id, not_a_digit=True, replace=True)
    past = next(client.history(1))
    assert past.id == made.id
    assert past.feedback is not None
    assert (past.feedback.not_a_digit, past.feedback.comment) == (True, "so it is")
    assert past.shadow_prediction is not None
    assert {past.digit, past.shadow_prediction.digit} == {
        disagreements.v1_digits[0],
        disagreements.v2_digits[0],
    }


def test_words_that_contradict_each_other_and_foreign_predictions_are_refused(
    server: Server, client: Cifra
) -> None:
    made = client.predict(SEVEN)
    with pytest.raises(Unprocessable):
        client.feedback(made.id, correct=True, digit=3)
    with pytest.raises(InvalidInput):
        client.feedback(made.id)
    with newcomer(server, "a stranger") as stranger, pytest.raises(NotFound):
        stranger.feedback(made.id, correct=True)


def test_the_history_goes_on_over_pages_and_stops_where_asked(
    client: Cifra, golden: GoldenSet
) -> None:
    client.predict_batch([golden.png(index) for index in range(103)])
    whole = [past.id for past in client.history()]
    assert len(set(whole)) == 103
    assert whole == sorted(whole, reverse=True)
    assert [past.id for past in client.history(5)] == whole[:5]


def test_what_is_erased_is_gone(client: Cifra) -> None:
    made = client.predict(SEVEN)
    assert client.image(made.id).startswith(b"\x89PNG")
    client.erase(made.id)
    assert list(client.history()) == []
    with pytest.raises(NotFound):
        client.image(made.id)


def test_the_tree_of_errors_is_as_it_is_drawn() -> None:
    drawn = [line.split()[1:] for line in (errors.__doc__ or "").splitlines() if "──" in line]
    kinds = {name: getattr(cifra_client, name) for name, *_ in drawn}
    assert set(kinds.values()) == {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, CifraError) and kind is not CifraError
    }
    by_status = {name: int(said[0][:3]) for name, *said in drawn if said[0][:3].isdigit()}
    del by_status["ImageRejected"]  # told by its title
    for name, status in by_status.items():
        assert type(errors.ApiError.of(status, "A title", "A detail")) is kinds[name]


def test_the_clients_readme_prints_what_it_says(tmp_path: Path) -> None:
    readme = (ROOT / "clients" / "python" / "README.md").read_text()
    code = readme.split("```python\n")[1].split("```")[0]
    printed = readme.split("```text\n")[1].split("```")[0]
    with serve(tmp_path, **QUICK) as it, redirect_stdout(io.StringIO()) as told:
        exec(code.replace("http://127.0.0.1:5000", it.url), {})
    assert told.getvalue() == printed
