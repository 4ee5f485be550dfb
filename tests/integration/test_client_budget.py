"""What clients without a token may cost the server: memory and processor time, a family each."""

from collections.abc import Iterator

import pytest

from tests.conftest import GoldenSet
from tests.support.hostile_clients import MANY, ON_GRANIAN, ON_GUNICORN, Family
from tests.support.meanwhile import Meanwhile
from tests.support.process_usage import MEBIBYTE, MemoryPeak, cpu_seconds, memory_bytes
from tests.support.server_process import EMBEDDED, HTTP_TIER, UNLIMITED, Server, serve

MEMORY_BYTES = 150 * MEBIBYTE  # above idle
CPU_S = 5.0  # of the whole server, for all hundred clients of a family
PREDICTION_TIMEOUT_S = 15  # of a busy machine; `make chaos` asks for 3
SHORT = {"REQUEST_HEADER_TIMEOUT_S": "3", "REQUEST_BODY_TIMEOUT_S": "3"}


@pytest.fixture(scope="module")
def gunicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("gunicorn") / "data"
    with serve(folder, EMBEDDED, is_preloaded=False, **UNLIMITED, **SHORT) as running:
        yield running


@pytest.fixture(scope="module")
def granian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("granian") / "data"
    with serve(folder, HTTP_TIER, is_preloaded=False, **UNLIMITED, **SHORT) as running:
        yield running


def check_budget(server: Server, golden: GoldenSet, family: Family) -> None:
    """Check what a family costs, and that a prediction is answered while it is there."""
    ana = server.register("ana")
    files = {"file": ("digit.png", golden.png(0))}

    def predict() -> int:
        url = f"{server.url}/api/v2/predict"
        return ana.post(url, files=files, timeout=PREDICTION_TIMEOUT_S).status_code

    assert predict() == 200
    idle, before = memory_bytes(server.process.pid), cpu_seconds(server.process.pid)
    with MemoryPeak(server.process.pid) as memory, Meanwhile(predict) as statuses:
        family(server, ana, MANY)
    assert memory.peak_bytes - idle <= MEMORY_BYTES
    assert cpu_seconds(server.process.pid) - before <= CPU_S
    assert set(statuses.found) == {200}


@pytest.mark.parametrize("family", ON_GUNICORN, ids=lambda family: family.__name__)
def test_each_family_stays_within_its_budget_on_gunicorn(
    gunicorn: Server, golden: GoldenSet, family: Family
) -> None:
    check_budget(gunicorn, golden, family)


@pytest.mark.parametrize("family", ON_GRANIAN, ids=lambda family: family.__name__)
def test_each_family_stays_within_its_budget_on_granian(
    granian: Server, golden: GoldenSet, family: Family
) -> None:
    check_budget(granian, golden, family)
