"""Open ONNX models; the only module that imports ONNX Runtime, with its telemetry disabled."""

import os
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read only when ONNX Runtime is imported

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _runtime

from app.domain.errors import InvalidModel
from app.domain.predictions import IMAGE_SIZE
from app.imaging.normalization import to_model_input

_EMPTY = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
_ROUNDING = 1e-3
_RUNTIME_ERRORS = (
    ValueError,  # the model's input has another name
    _runtime.Fail,
    _runtime.InvalidArgument,
    _runtime.InvalidGraph,
    _runtime.InvalidProtobuf,
    _runtime.NoModel,
    _runtime.NotImplemented,
    _runtime.RuntimeException,
)


class InferenceSession(Protocol):
    """The methods of ONNX Runtime's session used here; the library has no type annotations."""

    def run(
        self, outputs: list[str] | None, inputs: dict[str, npt.NDArray[np.float32]]
    ) -> list[npt.NDArray[np.float32]]:
        """Compute the named outputs, or all of them for None."""

    def get_modelmeta(self) -> Any:
        """Return the metadata of the file."""


def open_session(onnx: bytes) -> InferenceSession:
    """Open a session that computes on the calling thread only."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    return cast("InferenceSession", session)


def load_validated(onnx: bytes) -> InferenceSession:
    """Open a session and validate it with an empty image, before it serves any request.

    Raises InvalidModel if ONNX Runtime cannot open it or it is not a digit classifier.
    """
    try:
        session = open_session(onnx)
        output = session.run(["probabilities"], {"digits": to_model_input(_EMPTY)})[0]
    except _RUNTIME_ERRORS as error:
        raise InvalidModel("The artifact is damaged or not a digit classifier") from error
    if output.shape != (1, 10) or not abs(float(output.sum()) - 1) < _ROUNDING:
        raise InvalidModel("The artifact does not output ten probabilities")
    return session


def read_model_name(onnx: bytes) -> str:
    """Return the model's name from the metadata of the file. Raises InvalidModel."""
    try:
        return str(open_session(onnx).get_modelmeta().custom_metadata_map["name"])
    except (*_RUNTIME_ERRORS, KeyError) as error:
        raise InvalidModel("The file is damaged or not a model of Cifra") from error
