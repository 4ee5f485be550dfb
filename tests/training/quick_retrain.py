"""`python -m tests.training.quick_retrain FOLDER`: a retrain that is evaluated on fewer images.

It does not make way for others: beside other tests that would take minutes.
"""

import sys
from pathlib import Path

from app.training import candidate_evaluation, retrain

if __name__ == "__main__":
    candidate_evaluation.IMAGES_PER_KIND = 20
    candidate_evaluation.IMAGES_PER_CORRUPTION = 10
    retrain.NICENESS = 0
    retrain.main(Path(sys.argv[1]))
