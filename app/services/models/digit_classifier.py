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
        outputs = session.run(None, {"digits": to_model_input(_EMPTY)})
    except RUNTIME_ERRORS as error:
        raise InvalidModel("The artifact is damaged or not a digit classifier") from error
    if outputs[0].shape != (1, 10) or not abs(float(outputs[0].sum()) - 1) < _ROUNDING:
        raise InvalidModel("The artifact does not output ten probabilities")
    if any(output.shape != (1,) for output in outputs[1:]):
        raise InvalidModel("The artifact's second output is not the probability of no digit")
    return session


def read_model_name(onnx: bytes) -> str:
    """Return the model's name from the metadata of the file. Raises InvalidModel."""
    try:
        return str(open_session(onnx).get_modelmeta().custom_metadata_map["name"])
    except (*RUNTIME_ERRORS, KeyError) as error:
        raise InvalidModel("The file is damaged or not a model of Cifra") from error
