"""`python -m app.training.make_attention_checks`: select the images of attention checks.

They are validation images that both bundled models classify correctly with high confidence, so
that a wrong answer means inattention; the first of each digit, preprocessed.
"""

import numpy as np

from app.imaging.normalization import to_model_input
from app.onnx_runtime import open_session
from app.services.reviews.attention_checks import IMAGES_FILE
from app.training.bundled_models import MODELS
from app.training.datasets import load_base_sets, preprocess_all

IMAGES_PER_DIGIT = 30
MIN_CONFIDENCE = 0.99


def main() -> None:
    """Write the file from which the server draws attention checks."""
    validation = load_base_sets().validation
    digits = preprocess_all(validation.digits, "validation")
    is_clear = np.ones(len(digits), dtype=np.bool_)
    for version in ("v1", "v2"):
        session = open_session((MODELS / f"{version}.onnx").read_bytes())
        parts = np.array_split(to_model_input(digits), 10)
        answers = np.concatenate([session.run(None, {"digits": part})[0] for part in parts])
        is_clear &= answers[np.arange(len(digits)), validation.labels] > MIN_CONFIDENCE
    chosen = np.concatenate(
        [
            np.flatnonzero(is_clear & (validation.labels == digit))[:IMAGES_PER_DIGIT]
            for digit in range(10)
        ]
    )
    np.savez_compressed(IMAGES_FILE, digits=digits[chosen], labels=validation.labels[chosen])


if __name__ == "__main__":
    main()
