"""The bundled ink network."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.imaging.ink_finder import InkModel, Probabilities
from app.onnx_runtime import InferenceSession, open_session

INK_MODEL = Path(__file__).parents[2] / "models" / "ink.onnx"


class OnnxInkModel:
    """An ink network in a session of ONNX Runtime."""

    def __init__(self, onnx: bytes) -> None:
        self._session: InferenceSession = open_session(onnx)

    def __call__(self, views: npt.NDArray[np.uint8]) -> tuple[Probabilities, Probabilities]:
        """Return ink (n, side, side) and contents (n, 3) of views uint8 (n, side, side, 3)."""
        ink, contents = self._session.run(["ink", "contents"], {"views": views})
        return ink, contents


@cache
def bundled_ink_model() -> InkModel:
    """Return the bundled ink network; a process loads it once."""
    return OnnxInkModel(INK_MODEL.read_bytes())
