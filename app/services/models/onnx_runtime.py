"""ONNX files as ONNX Runtime sees them; the one place that imports it, with its telemetry off."""

import os
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # only looked at when ONNX Runtime is imported

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _runtime

from app.domain.errors import InvalidModel
from app.domain.predictions import IMAGE_SIZE
from app.imaging.normalization import to_model_input

_EMPTY = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
_ROUNDING = 1e-3
_RUNTIME_ERRORS = (
    ValueError,  # inputs of other names
    *(_runtime.Fail, _runtime.InvalidArgument, _runtime.InvalidGraph, _runtime.InvalidProtobuf),
    *(_runtime.NoModel, _runtime.NotImplemented, _runtime.RuntimeException),
)


class InferenceSession(Protocol):
    """What is used here of ONNX Runtime's session; the library itself carries no types."""

    def run(
        self, outputs: list[str] | None, inputs: dict[str, npt.NDArray[np.float32]]
    ) -> list[npt.NDArray[np.float32]]:
        """Compute the named outputs, all of them for None."""

    def get_modelmeta(self) -> Any:
        """Give what the file says of itself."""


def open_session(onnx: bytes) -> InferenceSession:
    """Open a session that computes on the calling thread alone."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    made = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    return cast("InferenceSession", made)


def load_validated(onnx: bytes) -> InferenceSession:
    """Open a session and let it read an empty digit, before anybody is served by it.

    Raises UnfitModel for what ONNX Runtime cannot open, and for a model of something else.
    """
    try:
        session = open_session(onnx)
        found = session.run(["probabilities"], {"digits": to_model_input(_EMPTY)})[0]
    except _RUNTIME_ERRORS as error:
        raise InvalidModel("The artefact is torn, or no model that reads digits") from error
    if found.shape != (1, 10) or not abs(float(found.sum()) - 1) < _ROUNDING:
        raise InvalidModel("The artefact does not give ten probabilities")
    return session


def read_model_name(onnx: bytes) -> str:
    """The model's name, from the file's own metadata."""
    return str(open_session(onnx).get_modelmeta().custom_metadata_map["name"])
