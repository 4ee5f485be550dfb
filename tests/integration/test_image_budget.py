"""What one image may cost the server: memory and processor time, whatever the file announces."""

import time
from collections.abc import Iterator

import pytest

from tests.conftest import GoldenSet, run_concurrently
from tests.support.hostile_images import FORMATS_AND_HEIC, hostile_images
from tests.support.process_usage import MEBIBYTE, MemoryPeak, cpu_seconds, memory_bytes
from tests.support.server_process import UNLIMITED, Client, Server, serve

ONE_IMAGE_BYTES = 150 * MEBIBYTE  # above idle
SIXTEEN_IMAGES_BYTES = 300 * MEBIBYTE
IMAGE_CPU_S = 2.0
GIVEN_BACK_WITHIN_S = 60


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, golden: GoldenSet) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("target") / "data"
    with serve(folder, is_preloaded=False, **UNLIMITED) as running:
        warm_up(running.register("ana"), golden)
        yield running


@pytest.fixture(scope="module")
def ana(target: Server) -> Client:
    return target.login("ana", "password of ana")


def warm_up(client: Client, golden: GoldenSet) -> None:
    """Have both decoders decode an image; one that an image killed starts again only then."""
    plain = hostile_images("PNG")["png of 4 megapixels, gray of 16 bits"]
    run_concurrently(4, lambda: post(client, plain))
    assert client.predict("v2", golden.png(0)).status_code == 200


def post(client: Client, file: bytes) -> int:
    return client.call(
        "POST", "/api/v2/predict", data=file, headers={"Content-Type": "image/png"}
    ).status_code


@pytest.mark.parametrize("image_format", FORMATS_AND_HEIC)
def test_one_image_stays_within_its_budget(target: Server, ana: Client, image_format: str) -> None:
    for name, file in hostile_images(image_format).items():
        idle, before = memory_bytes(target.process.pid), cpu_seconds(target.process.pid)
        with MemoryPeak(target.process.pid) as memory:
            status = post(ana, file)
        assert status in {200, 413, 415, 422}, name
        assert memory.peak_bytes - idle <= ONE_IMAGE_BYTES, name
        assert cpu_seconds(target.process.pid) - before <= IMAGE_CPU_S, name


def test_sixteen_images_at_once_stay_within_theirs_and_give_it_back(
    target: Server, ana: Client, golden: GoldenSet
) -> None:
    warm_up(ana, golden)
    idle = memory_bytes(target.process.pid)
    expensive = [
        hostile_images("PNG")["png with 400,000 empty chunks"],
        hostile_images("PNG")["png of 4 megapixels, RGBA of 16 bits"],
        hostile_images("TIFF")["tiff of 4 megapixels, F, tiff_lzw"],
        hostile_images("WEBP")["webp of 4 megapixels, lossless"],
    ]
    clients = [target.login("ana", "password of ana") for _ in range(16)]
    calls = [
        lambda client=client, file=expensive[index % 4]: post(client, file)
        for index, client in enumerate(clients)
    ]
    with MemoryPeak(target.process.pid) as memory:
        statuses = run_concurrently(16, *calls)
        assert ana.predict("v2", golden.png(0)).status_code == 200
    assert set(statuses) <= {200, 413, 415, 422, 503}
    assert memory.peak_bytes - idle <= SIXTEEN_IMAGES_BYTES
    deadline = time.monotonic() + GIVEN_BACK_WITHIN_S
    while memory_bytes(target.process.pid) - idle > 20 * MEBIBYTE:
        assert time.monotonic() < deadline
        time.sleep(0.5)
