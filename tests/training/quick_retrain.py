"""`python -m tests.training.quick_retrain FOLDER`: a retrain that is evaluated on fewer images."""

import sys
from pathlib import Path

from app.training import candidate_evaluation, retrain

if __name__ == "__main__":
    candidate_evaluation.IMAGES_PER_KIND = 20
    candidate_evaluation.IMAGES_PER_CORRUPTION = 10
    retrain.main(Path(sys.argv[1]))
