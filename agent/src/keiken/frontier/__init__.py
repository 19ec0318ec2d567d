"""Where the conditions of a package really end: the same scenarios in places on both sides of what it declares."""

from keiken.frontier.explore import explore, others_by_release
from keiken.frontier.judge import judged, seen
from keiken.frontier.propose import DROPPED, Observation, changed_conditions, proposals
from keiken.frontier.record import (
    METHOD,
    ConditionVerdict,
    Dependence,
    Frontier,
    NotRun,
    Outcome,
    Proposal,
    Run,
    Verdict,
)
from keiken.frontier.rewrite import next_version, rewritten
from keiken.frontier.wording import dependence_sentence, flip_name, proposal_sentence, verdict_word

__all__ = [
    "DROPPED",
    "METHOD",
    "ConditionVerdict",
    "Dependence",
    "Frontier",
    "NotRun",
    "Observation",
    "Outcome",
    "Proposal",
    "Run",
    "Verdict",
    "changed_conditions",
    "dependence_sentence",
    "explore",
    "flip_name",
    "judged",
    "next_version",
    "others_by_release",
    "proposal_sentence",
    "proposals",
    "rewritten",
    "seen",
    "verdict_word",
]
