"""The golden set: real digits over HTTP are classified correctly."""

import pytest

from tests.conftest import GoldenSet
from tests.support.server_process import Server


@pytest.mark.parametrize("route", ["v1", "v2", "ab"])
def test_ten_golden_digits_are_classified_correctly(
    server: Server, golden: GoldenSet, route: str
) -> None:
    client = server.register(f"client of {route}")
    predicted = [
        client.predict(route, golden.png_of(digit)).json()["prediccion"] for digit in range(10)
    ]
    assert predicted == list(range(10))


def test_v2_classifies_at_least_99_percent_of_200_golden_digits_correctly(
    server: Server, golden: GoldenSet
) -> None:
    client = server.register("client of 200")
    answers = [client.predict("v2", golden.png(index)).json() for index in range(200)]
    correct = sum(
        answer.get("prediccion") == label
        for answer, label in zip(answers, golden.labels, strict=False)
    )
    assert correct >= 198
