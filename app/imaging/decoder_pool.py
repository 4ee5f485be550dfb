"""Find the digit in untrusted images in other processes, few at a time.

Everything but a small plain PNG goes through the pool. What an image may cost is bounded in the
process that decodes it (decoder_process.py), how many at a time here, and how many requests may
wait. A process is used again and again, and replaced when it has died.
"""

import json
import logging
import math
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, LifoQueue
from signal import SIGPROF
from typing import IO, cast

import numpy as np

from app.domain import errors
from app.domain.errors import ImageError, ImageTooLarge, Unavailable
from app.domain.predictions import IMAGE_SIZE
from app.imaging.decoder_process import OVER_BUDGET, TIME_BUDGET_S
from app.imaging.decoding import MAX_IMAGE_BYTES, TOO_MANY_BYTES
from app.imaging.preprocessing import Preprocessed

ROOT = Path(__file__).parents[2]
PROCESSES = 2
MAX_WAIT_S = 20.0
ANSWER_TIMEOUT_S = 20.0  # on a busy machine 1.5 s of processor time may take long

_COMMAND = (sys.executable, "-W", "ignore", "-m", "app.imaging.decoder_process")
# One thread and one arena: both cost address space, which is what the budget is made of. And large
# blocks go back to the system when they are freed.
_MEMORY_SETTINGS = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "262144",
}
_BUSY = "Too many large images are being decoded; try again in a moment, or send smaller ones"

_OVER_TOTAL_BUDGET = (
    "The images of this request take too much processor time to decode; send this one in another"
    " request"
)

_log = logging.getLogger(__name__)

ImageFile = bytes | IO[bytes]  # small ones in memory, large ones in a file


class DecodeBudget:
    """The processor time that decoding may still take for all images of one request together."""

    def __init__(self, seconds: float = math.inf) -> None:
        self._left_s = seconds

    def check(self) -> None:
        """Raise ImageTooLarge if nothing is left."""
        if self._left_s <= 0:
            raise ImageTooLarge(_OVER_TOTAL_BUDGET)

    def spend(self, seconds: float) -> None:
        """Count what an image took."""
        self._left_s -= seconds


class DecoderPool:
    """Up to PROCESSES decoder processes, which start when they are first needed."""

    def __init__(self, environment: Mapping[str, str], max_callers: int) -> None:
        """Start processes with this environment; let up to `max_callers` decode or wait at once."""
        self._environment = dict(environment) | _MEMORY_SETTINGS
        self._places = threading.BoundedSemaphore(max(1, max_callers))
        self._decoders = [_Decoder(dict(environment) | _MEMORY_SETTINGS) for _ in range(PROCESSES)]
        self._free: LifoQueue[_Decoder] = LifoQueue()  # so that one that has started is used first
        for decoder in self._decoders:
            self._free.put(decoder)

    def preprocess(self, image: ImageFile, budget: DecodeBudget | None = None) -> Preprocessed:
        """Decode an image, and return its one digit.

        A file is read in pieces, while one of the processes waits for it and not before.
        Raises UnreadableImage, NoDigit, MultipleDigits, ImageTooLarge, also when nothing of the
        budget of several images is left, and Unavailable if too many images are waiting.
        """
        budget = budget or DecodeBudget()
        budget.check()
        if _size_of(image) > MAX_IMAGE_BYTES:
            raise ImageTooLarge(TOO_MANY_BYTES)
        if not self._places.acquire(blocking=False):
            raise Unavailable(_BUSY)
        try:
            decoder = self._free.get(timeout=MAX_WAIT_S)
        except Empty:
            self._places.release()
            raise Unavailable(_BUSY) from None
        try:
            return decoder.preprocess(image, budget)
        finally:
            self._free.put(decoder)
            self._places.release()

    def start(self) -> None:
        """Start the first process, so that the first image need not wait for it."""
        self._decoders[-1].start()

    def close(self) -> None:
        """End the processes; the pool can be used again."""
        for decoder in self._decoders:
            decoder.close()


def _size_of(image: ImageFile) -> int:
    return len(image) if isinstance(image, bytes) else image.seek(0, os.SEEK_END)


class _DecoderDied(Exception):
    """The process ended, or did not answer in time and was ended."""


class _Decoder:
    """A decoder process, started when it is first needed, and again when it has died."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def preprocess(self, image: ImageFile, budget: DecodeBudget) -> Preprocessed:
        """Find the digit; in a second process if something else than the image ended the first."""
        for _ in range(2):
            try:
                return self._exchange(self.start(), image, budget)
            except ImageError:
                raise
            except _DecoderDied:
                budget.spend(TIME_BUDGET_S)
                status = self.close()
                if status == -SIGPROF:
                    break
                _log.warning("a process that decodes images ended with status %s", status)
            except BaseException:  # it may still be writing an answer that nobody reads
                self.close()
                raise
        raise ImageTooLarge(OVER_BUDGET)

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the process unless it runs; return it."""
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                _COMMAND,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # libtiff writes there what it thinks of a file
            )
        return self._process

    def close(self) -> int | None:
        """End the process; return its exit status, or None if there was none."""
        process, self._process = self._process, None
        if process is None:
            return None
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        try:
            return process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    @staticmethod
    def _exchange(
        process: "subprocess.Popen[bytes]", image: ImageFile, budget: DecodeBudget
    ) -> Preprocessed:
        """Send an image and read the answer. Raises ImageError and _DecoderDied."""
        assert process.stdin is not None  # noqa: S101  for the type checker
        assert process.stdout is not None  # noqa: S101
        timeout = threading.Timer(ANSWER_TIMEOUT_S, process.kill)
        timeout.start()
        try:
            process.stdin.write(_size_of(image).to_bytes(4))
            if isinstance(image, bytes):
                process.stdin.write(image)
            else:
                image.seek(0)
                shutil.copyfileobj(image, process.stdin)
            process.stdin.flush()
            answer = json.loads(process.stdout.readline() or b"null")
            if answer is None:
                raise _DecoderDied
            budget.spend(answer["cpu_s"])
            if "traceback" in answer:
                raise RuntimeError(f"decoding an image failed:\n{answer['traceback']}")
            if "error" in answer:
                raise cast("type[ImageError]", getattr(errors, answer["error"]))(answer["message"])
            pixels = process.stdout.read(IMAGE_SIZE * IMAGE_SIZE)
        except OSError as error:
            raise _DecoderDied from error
        finally:
            timeout.cancel()
        if len(pixels) != IMAGE_SIZE * IMAGE_SIZE:
            raise _DecoderDied
        digit = np.frombuffer(pixels, dtype=np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)
        return Preprocessed(digit, answer["certainty"])
