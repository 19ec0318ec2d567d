"""How strong a package's checks are: its scenarios with one wrong effect at a time."""

from keiken.strength.grade import Bounds, grade
from keiken.strength.interval import wilson
from keiken.strength.record import DEFAULT_THRESHOLD, METHOD, Grade, MutantRecord, Strength
from keiken.strength.wording import proposal_line, sentence, summary

__all__ = [
    "DEFAULT_THRESHOLD",
    "METHOD",
    "Bounds",
    "Grade",
    "MutantRecord",
    "Strength",
    "grade",
    "proposal_line",
    "sentence",
    "summary",
    "wilson",
]
