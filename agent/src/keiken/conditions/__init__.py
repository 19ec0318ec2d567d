"""Conditions and the facts they are held against."""

from keiken.conditions.predicates import Condition, Finding, Match, Status, fact_problem, match, parse
from keiken.conditions.probe import probe
from keiken.conditions.vocabulary import Fact

__all__ = ["Condition", "Fact", "Finding", "Match", "Status", "fact_problem", "match", "parse", "probe"]
