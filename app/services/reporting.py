"""The report: what people said of the answers."""

from app.store import feedback
from app.store.db import reading
from app.store.feedback import WordCounts


def count_words() -> WordCounts:
    """Count all words and those that call the answer right."""
    with reading() as session:
        return feedback.count(session)
