"""Conditions and the facts they are held against."""

from keiken.conditions.predicates import Condition, Fact, Finding, Match, Status, match, normal_version, parse
from keiken.conditions.probe import probe

__all__ = ["Condition", "Fact", "Finding", "Match", "Status", "match", "normal_version", "parse", "probe"]
