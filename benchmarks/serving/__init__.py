"""How fast Cifra answers, beside a bare FastAPI and ONNX Runtime server in the same run."""
