"""Open and validate the ONNX files of digit classifiers."""

import numpy as np

from app.domain.errors import InvalidModel
from app.domain.predictions import IMAGE_SIZE
from app.imaging.normalization import to_model_input
from app.onnx_runtime import RUNTIME_ERRORS, InferenceSession, open_session

_EMPTY = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
_ROUNDING = 1e-3


def load_validated(onnx: bytes) -> InferenceSession:
    """Open a session and validate it with an empty image, before it serves any request.

    Raises InvalidModel if ONNX Runtime cannot open it or it is not a digit classifier.
    """
    try:
        session = open_session(onnx)
        output = session.run(["probabilities"], {"digits": to_model_input(_EMPTY)})[0]
    except RUNTIME_ERRORS as error:
        raise InvalidModel("The artifact is damaged or not a digit classifier") from error
    if output.shape != (1, 10) or not abs(float(output.sum()) - 1) < _ROUNDING:
        raise InvalidModel("The artifact does not output ten probabilities")
    return session


def read_model_name(onnx: bytes) -> str:
    """Return the model's name from the metadata of the file. Raises InvalidModel."""
    try:
        return str(open_session(onnx).get_modelmeta().custom_metadata_map["name"])
    except (*RUNTIME_ERRORS, KeyError) as error:
        raise InvalidModel("The file is damaged or not a model of Cifra") from error
