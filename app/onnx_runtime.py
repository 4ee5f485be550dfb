"""Open ONNX models; the only module that imports ONNX Runtime, with its telemetry disabled."""

import os
from typing import Any, Protocol, cast

import numpy.typing as npt

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read only when ONNX Runtime is imported

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _runtime

# What opening or running a damaged or unsuitable model raises.
RUNTIME_ERRORS = (
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
        self, outputs: list[str] | None, inputs: dict[str, npt.NDArray[Any]]
    ) -> list[npt.NDArray[Any]]:
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
