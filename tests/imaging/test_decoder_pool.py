"""The decoder pool: the same digits as here, budgets, and processes that die."""

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
from app.imaging.decoding import FORMATS, MAX_IMAGE_BYTES
from app.imaging.preprocessing import preprocess
from config import ROOT
from tests.conftest import GoldenSet, encode_image, run_concurrently
from tests.support.hostile_images import hostile_images

SLOW = "import time, numpy; time.sleep(1); return numpy.zeros((28, 28), numpy.uint8)"


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
    """Run a decoder process whose `decode` has this body and returns a digit image."""
    code = (
        "from app.imaging import decoder_process\n"
        f"def decode(image_bytes):\n    {body}\n"
        "decoder_process.decode = decode\n"
        "decoder_process.find_digit = lambda page, _: decoder_process.Preprocessed(page)\n"
        "decoder_process.main()"
    )
    monkeypatch.setattr(decoder_pool, "_COMMAND", (sys.executable, "-c", code))


def photograph(golden: GoldenSet, index: int = 0, side: int = 300) -> Image.Image:
    """Return a digit of MNIST, enlarged."""
    return Image.fromarray(golden.digits[index]).resize((side, side))


@pytest.mark.parametrize("image_format", FORMATS)
def test_digits_are_those_that_are_found_here(
    pool: DecoderPool, golden: GoldenSet, image_format: str
) -> None:
    file = encode_image(photograph(golden), image_format)
    found, expected = pool.preprocess(file), preprocess(file)
    assert np.array_equal(found.digit, expected.digit)
    assert found.single_digit_probability == expected.single_digit_probability


def test_no_process_dies_of_photographs_of_phones(
    pool: DecoderPool, caplog: pytest.LogCaptureFixture
) -> None:
    """The decoder of HEIC frees its pixels with the file: reading them later ends a process."""
    file = (ROOT / "tests" / "support" / "files" / "digit.heic").read_bytes()
    expected = preprocess(file).digit
    for _ in range(3):
        assert np.array_equal(pool.preprocess(file).digit, expected)
    assert "ended with status" not in caplog.text


def test_errors_are_those_of_decoding(pool: DecoderPool) -> None:
    with pytest.raises(UnreadableImage, match="is not a PNG"):
        pool.preprocess(b"nothing")
    with pytest.raises(ImageTooLarge, match="at most 4 million"):
        pool.preprocess(encode_image(Image.new("1", (2_001, 2_000))))
    with pytest.raises(ImageTooLarge, match="15 MiB"):
        pool.preprocess(bytes(MAX_IMAGE_BYTES + 1))
    assert len(decoders()) == 1


@pytest.mark.parametrize(
    "allocate",
    [
        "bytearray(size)",
        "__import__('cv2').copyMakeBorder(numpy.zeros((1, 1)), 0, size // 8, 0, 0, 0)",
        "decoder_process.bundled_ink_model()(numpy.zeros((1, 1600, 1600, 3), numpy.uint8))",
    ],
)
def test_an_image_over_its_memory_budget_is_too_large_and_the_process_goes_on(
    pool: DecoderPool, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch, allocate: str
) -> None:
    size = round(1.2 * MEMORY_BUDGET_BYTES)
    replace_decoder(monkeypatch, f"import numpy; size = {size}; return {allocate}")
    with pytest.raises(ImageTooLarge, match="more memory or time"):
        pool.preprocess(encode_image(photograph(golden)))
    assert len(decoders()) == 1


def test_an_image_over_its_time_budget_is_too_large_and_the_next_is_decoded(
    pool: DecoderPool, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = encode_image(photograph(golden))
    with monkeypatch.context() as patch:
        replace_decoder(patch, "while True: pass")
        with pytest.raises(ImageTooLarge, match="more memory or time"):
            pool.preprocess(file)
    assert pool.preprocess(file).digit.max() == 255


def test_a_killed_process_is_replaced_and_its_image_decoded(
    pool: DecoderPool, golden: GoldenSet
) -> None:
    file = encode_image(photograph(golden))
    pool.start()
    killed = decoders()
    for process in killed:
        process.send_signal(signal.SIGKILL)
    assert [pool.preprocess(file).digit.max() for _ in range(3)] == [255] * 3
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
        found[index] = pool.preprocess(files[index])

    run_concurrently(16, decode_one)
    assert len(decoders()) <= decoder_pool.PROCESSES
    for index, file in enumerate(files):
        assert np.array_equal(found[index].digit, preprocess(file).digit)
    pool.close()


def test_more_callers_than_allowed_are_rejected_at_once(
    golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_decoder(monkeypatch, SLOW)
    pool, results = DecoderPool(os.environ, max_callers=2), []
    file = encode_image(photograph(golden))

    def decode_one() -> None:
        try:
            pool.preprocess(file)
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
    pool.preprocess(encode_image(photograph(golden)))
    assert decoders() == [started]


def test_processes_end_with_the_pool(golden: GoldenSet, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_decoder(monkeypatch, SLOW)
    pool, file = DecoderPool(os.environ, max_callers=2), encode_image(photograph(golden))
    run_concurrently(2, lambda: pool.preprocess(file))
    assert len(decoders()) == decoder_pool.PROCESSES
    pool.close()
    assert decoders() == []


def test_a_process_knows_no_secrets_that_its_environment_lacks(golden: GoldenSet) -> None:
    pool = DecoderPool({"PATH": os.environ["PATH"]}, max_callers=1)
    pool.preprocess(encode_image(photograph(golden)))
    assert set(decoders()[0].environ()) == {"PATH", *decoder_pool._MEMORY_SETTINGS}
    pool.close()


def test_an_unexpected_error_is_raised_here_with_its_traceback(
    pool: DecoderPool, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_decoder(monkeypatch, "raise KeyError('a bug')")
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*KeyError: 'a bug'"):
        pool.preprocess(encode_image(photograph(golden)))


def test_decoders_write_nothing_to_the_log(
    pool: DecoderPool, capfd: pytest.CaptureFixture[str]
) -> None:
    for file in hostile_images("TIFF").values():
        with suppress(ImageError):
            pool.preprocess(file)
    assert capfd.readouterr() == ("", "")


def test_images_of_one_budget_share_it_and_killed_processes_count(
    pool: DecoderPool, golden: GoldenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget, file = DecodeBudget(TIME_BUDGET_S), encode_image(photograph(golden))
    for _ in range(2):
        assert pool.preprocess(file, budget).digit.max() == 255
    replace_decoder(monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGPROF)")
    pool.close()
    with pytest.raises(ImageTooLarge):
        pool.preprocess(file, budget)
    with pytest.raises(ImageTooLarge, match="another request"):
        pool.preprocess(file, budget)
