"""The main job: real digits over HTTP, read right."""

import pytest

from tests.conftest import GoldenSet
from tests.support.server_process import Server


@pytest.mark.parametrize("route", ["v1", "v2", "ab"])
def test_ten_golden_digits_are_read_right(server: Server, golden: GoldenSet, route: str) -> None:
    reader = server.register(f"reader through {route}")
    read = [reader.predict(route, golden.png_of(digit)).json()["prediccion"] for digit in range(10)]
    assert read == list(range(10))


def test_at_least_99_percent_of_200_golden_digits_are_read_right_by_v2(
    server: Server, golden: GoldenSet
) -> None:
    reader = server.register("reader of 200")
    answers = [reader.predict("v2", golden.png(index)).json() for index in range(200)]
    right = sum(
        answer.get("prediccion") == label
        for answer, label in zip(answers, golden.labels, strict=False)
    )
    assert right >= 198
