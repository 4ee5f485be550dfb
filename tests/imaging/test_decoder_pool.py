"""The decoder pool: the same pixels as here, budgets, and processes that die."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import psutil
import pytest
from PIL import Image

from app.domain.errors import ImageError, ImageTooLarge, Unavailable, UnreadableImage
from app.imaging import decoder_pool
from app.imaging.decoder_pool import DecodeBudget, DecoderPool
from app.imaging.decoder_process import MEMORY_BUDGET_BYTES, TIME_BUDGET_S
from app.imaging.decoding import FORMATS, MAX_IMAGE_BYTES, decode, resize_to_working_size
from tests.conftest import GoldenSet, encode_image, run_concurrently
from tests.support.hostile_images import hostile_images

SLOW = "import time, numpy; time.sleep(1); return numpy.zeros((28, 28), numpy.float32)"


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    made = DecoderPool(os.environ, max_callers=8)
    yield made
    made.close()


def decoders() -> list[psutil.Process]:
    """Return the decoder processes of this process that are alive."""
    return [
        process
        for process in psutil.Process().children()
        if process.status() != psutil.STATUS_ZOMBIE and "decoder_process" in str(process.cmdline())
    ]


def replace_decoder(monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Run a decoder process whose `decode` is a function with this body."""
    code = (
        "from app.imaging import decoder_process\n"
        f"def decode(image_bytes):\n    {body}\n"
        "decoder_process.decode = decode\ndecoder_process.main()"
    )
    monkeypatch.setattr(decoder_pool, "_COMMAND", (sys.executable, "-c", code))


def photograph(golden: GoldenSet, index: int = 0, side: int = 300) -> Image.Image:
    return Image.fromarray(golden.digits[index]).resize((side, side))


@pytest.mark.parametrize("image_format", FORMATS)
def test_pixels_are_those_that_are_decoded_here_shrunk(
    pool: DecoderPool, golden: GoldenSet, image_format: str
) -> None:
    file = encode_image(photograph(golden), image_format)
    found = pool.decode(file)
    assert found.dtype == np.float32
    assert max(found.shape) == 256
    assert np.array_equal(found, resize_to_working_size(decode(file)))


def test_errors_are_those_of_decoding(pool: DecoderPool) -> None:
    with pytest.raises(UnreadableImage, match="is not a PNG"):
        pool.decode(b"nothing")
    with pytest.raises(ImageTooLarge, match="4 million pixels"):
        pool.decode(encode_image(Image.new("1", (2_001, 2_000))))
    with pytest.raises(ImageTooLarge, match="5 MiB"):
        pool.decode(bytes(MAX_IMAGE_BYTES + 1))
    assert len(decoders()) == 1


def test_an_image_over_its_memory_budget_is_too_large_and_the_process_goes_on(
    pool: DecoderPool, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_decoder(monkeypatch, f"return bytearray({MEMORY_BUDGET_BYTES + 1}) and None")
    with pytest.raises(ImageTooLarge, match="more memory or time"):
        pool.decode(encode_image(photograph(golden)))
    assert len(decoders()) == 1


def test_an_image_over_its_time_budget_is_too_large_and_the_next_is_decoded(
    pool: DecoderPool, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = encode_image(photograph(golden))
    with monkeypatch.context() as patch:
        replace_decoder(patch, "while True: pass")
        with pytest.raises(ImageTooLarge, match="more memory or time"):
            pool.decode(file)
    assert pool.decode(file).shape == (256, 256)


def test_a_killed_process_is_replaced_and_its_image_decoded(
    pool: DecoderPool, golden: GoldenSet
) -> None:
    file = encode_image(photograph(golden))
    pool.start()
    killed = decoders()
    for process in killed:
        process.send_signal(signal.SIGKILL)
    assert [pool.decode(file).shape for _ in range(3)] == [(256, 256)] * 3
    assert len(decoders()) < 3
    assert not {process.pid for process in killed} & {process.pid for process in decoders()}


def test_sixteen_threads_share_two_processes_and_get_their_own_images(golden: GoldenSet) -> None:
    pool = DecoderPool(os.environ, max_callers=16)
    files = [encode_image(photograph(golden, index)) for index in range(16)]
    numbers = iter(range(16))
    lock, found = threading.Lock(), {}

    def decode_one() -> None:
        with lock:
            index = next(numbers)
        found[index] = pool.decode(files[index])

    run_concurrently(16, decode_one)
    assert len(decoders()) <= decoder_pool.PROCESSES
    for index, file in enumerate(files):
        assert np.array_equal(found[index], resize_to_working_size(decode(file)))
    pool.close()


def test_more_callers_than_allowed_are_rejected_at_once(
    golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_decoder(monkeypatch, SLOW)
    pool, results = DecoderPool(os.environ, max_callers=2), []
    file = encode_image(photograph(golden))

    def decode_one() -> None:
        try:
            pool.decode(file)
        except Unavailable as error:
            results.append(error.message)

    run_concurrently(6, decode_one)
    assert len(results) == 4
    assert "try again" in results[0]
    pool.close()


def test_first_image_is_decoded_in_the_process_that_was_started(
    pool: DecoderPool, golden: GoldenSet
) -> None:
    pool.start()
    (started,) = decoders()
    pool.decode(encode_image(photograph(golden)))
    assert decoders() == [started]


def test_processes_end_with_the_pool(golden: GoldenSet, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_decoder(monkeypatch, SLOW)
    pool, file = DecoderPool(os.environ, max_callers=2), encode_image(photograph(golden))
    run_concurrently(2, lambda: pool.decode(file))
    assert len(decoders()) == decoder_pool.PROCESSES
    pool.close()
    assert decoders() == []


def test_a_process_knows_no_secrets_that_its_environment_lacks(golden: GoldenSet) -> None:
    pool = DecoderPool({"PATH": os.environ["PATH"]}, max_callers=1)
    pool.decode(encode_image(photograph(golden)))
    assert set(decoders()[0].environ()) == {"PATH", *decoder_pool._MEMORY_SETTINGS}
    pool.close()


def test_an_unexpected_error_is_raised_here_with_its_traceback(
    pool: DecoderPool, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_decoder(monkeypatch, "raise KeyError('a bug')")
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*KeyError: 'a bug'"):
        pool.decode(encode_image(photograph(golden)))


def test_decoders_write_nothing_to_the_log(
    pool: DecoderPool, capfd: pytest.CaptureFixture[str]
) -> None:
    for file in hostile_images("TIFF").values():
        with suppress(ImageError):
            pool.decode(file)
    assert capfd.readouterr() == ("", "")


def test_images_of_one_budget_share_it_and_killed_processes_count(
    pool: DecoderPool, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget, file = DecodeBudget(TIME_BUDGET_S), encode_image(photograph(golden))
    for _ in range(2):
        assert pool.decode(file, budget).shape == (256, 256)
    replace_decoder(monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGPROF)")
    pool.close()
    with pytest.raises(ImageTooLarge):
        pool.decode(file, budget)
    with pytest.raises(ImageTooLarge, match="another request"):
        pool.decode(file, budget)
