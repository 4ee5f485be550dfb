"""The peer: a bare FastAPI server that decodes a image, divides by 255 and runs the model.

It checks no token, counts no limit and stores nothing. Run by uvicorn in an environment of its own
(requirements-bench.txt); PEER_MODEL names the ONNX file.
"""

import io
import os

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI, UploadFile
from PIL import Image

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["PEER_MODEL"], options, ["CPUExecutionProvider"])
app = FastAPI()


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, object]:
    """Read one image of 28x28."""
    image = Image.open(io.BytesIO(await file.read())).convert("L")
    digit = np.asarray(image, dtype=np.float32)[None, None] / np.float32(255)
    shares = session.run(["probabilities"], {"digits": digit})[0][0]
    best = int(shares.argmax())
    return {"prediccion": best, "probabilidad": float(shares[best])}
