"""What joins the three: reports from the field, ratings that rest on them, what became of complaints, and quality."""

from marketplace.models.field import ReplayReport
from marketplace.models.moderation import Case, CaseEntry
from marketplace.models.quality import QualityScore
from marketplace.models.ratings import HelpfulVote, Rating, RatingEdit

__all__ = [
    "Case",
    "CaseEntry",
    "HelpfulVote",
    "QualityScore",
    "Rating",
    "RatingEdit",
    "ReplayReport",
]
