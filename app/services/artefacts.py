"""ONNX files as ONNX Runtime sees them; the one place that imports it, with its telemetry off."""

import os
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # only looked at when ONNX Runtime is imported

import onnxruntime


class Session(Protocol):
    """What is used here of ONNX Runtime's session; the library itself carries no types."""

    def run(
        self, outputs: list[str] | None, inputs: dict[str, npt.NDArray[np.float32]]
    ) -> list[npt.NDArray[np.float32]]:
        """Compute the named outputs, all of them for None."""

    def get_modelmeta(self) -> Any:
        """Give what the file says of itself."""


def open_session(onnx: bytes) -> Session:
    """Open a session that computes on the calling thread alone."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    made = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    return cast("Session", made)


def name_of(onnx: bytes) -> str:
    """The model's name, from the file's own metadata."""
    return str(open_session(onnx).get_modelmeta().custom_metadata_map["name"])
