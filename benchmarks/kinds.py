"""`python -m benchmarks.kinds`: the accuracy on each kind of image, and a contact sheet of each.

Prints the tables of docs/IMAGES.md and draws the sheets next to it. A rejected image counts as
wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from tqdm import tqdm

from app.domain.predictions import DigitImage
from app.imaging.preprocessing import Preprocessed
from app.onnx_runtime import InferenceSession, open_session
from app.training.bundled_models import SEEDS, model_path
from app.training.datasets import LabeledDigits, load_base_sets
from app.training.evaluation_sets import (
    SEED,
    EvaluationSet,
    LabeledFiles,
    preprocess_or_none,
    set_of,
)
from app.training.synthetic_images import RENDERERS
from benchmarks.contact_sheets import draw_sheet
from benchmarks.evaluation_images import images_of_kind, scanned_digits
from benchmarks.hard_kinds import HARD_KINDS
from benchmarks.unseen_kinds import UNSEEN_KINDS
from config import ROOT

SHEETS = ROOT / "docs" / "images"
IMAGES_PER_KIND = 200  # of those made from validation digits
EXAMPLES, FAILURES = 6, 4  # on a sheet


@dataclass(frozen=True)
class Row:
    """How both versions read the images of a kind."""

    kind: str
    found: Sequence[Preprocessed | None]
    labels: npt.NDArray[np.int64]
    sessions: tuple[InferenceSession, InferenceSession]

    @property
    def evaluation_set(self) -> EvaluationSet:
        """The images as a set."""
        return set_of(self.found, self.labels)

    def render(self) -> str:
        """Return a row of the table."""
        of, v2 = self.evaluation_set, self.sessions[1]
        shares = [f"{of.correct(session).mean():.2%}" for session in self.sessions]
        wrong = of.probabilities(v2).max(axis=1)[~of.correct(v2) & ~of.rejected]
        confidence = f"{wrong.mean():.2f}" if len(wrong) else "none wrong"
        warned = sum(each.is_doubtful for each in self.found if each is not None)
        counts = f"{len(self.labels):,} | {of.rejected.sum()} | {warned}"
        return f"| {self.kind} | {counts} | {' | '.join(shares)} | {confidence} |"

    @property
    def failures(self) -> npt.NDArray[np.int64]:
        """The indices of the images that v2 does not read correctly."""
        return np.flatnonzero(~self.evaluation_set.correct(self.sessions[1]))


def main() -> None:
    """Evaluate the first seed of both versions on every kind."""
    sets = load_base_sets()
    few = LabeledDigits(
        sets.validation.digits[:IMAGES_PER_KIND], sets.validation.labels[:IMAGES_PER_KIND]
    )
    print_table(
        "Made from golden digits",
        {kind: partial(images_of_kind, kind, sets.golden) for kind in RENDERERS}
        | {"scanned": scanned_digits},
    )
    for title, kinds in (
        ("Kinds that rules misread, from validation digits", HARD_KINDS),
        ("Kinds that no scene of training has, from validation digits", UNSEEN_KINDS),
    ):
        print_table(title, {kind: partial(_render, make, few) for kind, make in kinds.items()})


def print_table(title: str, kinds: Mapping[str, Callable[[], LabeledFiles]]) -> None:
    """Print a row for each kind, and draw its sheet."""
    first = [open_session(model_path(version, SEEDS[0]).read_bytes()) for version in ("v1", "v2")]
    columns = ("kind", "images", "rejected", "with a warning", "v1", "v2", "wrong, mean confidence")
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for kind, make in kinds.items():
        files, labels = make()
        found = [preprocess_or_none(file) for file in tqdm(files, kind, leave=False)]
        row = Row(kind, found, labels, (first[0], first[1]))
        print(row.render(), flush=True)
        shown = list(range(EXAMPLES)), row.failures[:FAILURES].tolist()
        draw_sheet(SHEETS / f"{kind}.png", *([files[at] for at in each] for each in shown))


def _render(make: Callable[[DigitImage, Generator], bytes], of: LabeledDigits) -> LabeledFiles:
    rng = np.random.default_rng(SEED)
    return [make(digit, rng) for digit in of.digits], of.labels


if __name__ == "__main__":
    main()
