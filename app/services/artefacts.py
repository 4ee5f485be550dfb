"""ONNX files as ONNX Runtime sees them; the one place that imports it, with its telemetry off."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # only looked at when ONNX Runtime is imported

import onnxruntime

Session = onnxruntime.InferenceSession


def open_session(onnx: bytes) -> Session:
    """Open a session that computes on the calling thread alone."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def name_of(onnx: bytes) -> str:
    """The model's name, from the file's own metadata."""
    return str(open_session(onnx).get_modelmeta().custom_metadata_map["name"])
