"""The baseline: a bare FastAPI server that decodes an image, divides by 255 and runs the model.

It checks no token, counts no limit and stores nothing. Run by uvicorn in its own environment
(requirements-bench.txt); BENCHMARK_MODEL is the path of the ONNX file.
"""

import io
import os

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI, UploadFile
from PIL import Image

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["BENCHMARK_MODEL"], options, ["CPUExecutionProvider"])
app = FastAPI()


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, object]:
    """Predict one image of 28x28."""
    image = Image.open(io.BytesIO(await file.read())).convert("L")
    digit = np.asarray(image, dtype=np.float32)[None, None] / np.float32(255)
    probabilities = session.run(["probabilities"], {"digits": digit})[0][0]
    best = int(probabilities.argmax())
    return {"prediccion": best, "probabilidad": float(probabilities[best])}
