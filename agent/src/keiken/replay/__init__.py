"""Replaying an experience without a model, and proving its scenarios."""

from keiken.replay.engine import replay
from keiken.replay.plan import plan
from keiken.replay.prove import prove, rerun
from keiken.replay.report import OUTCOME_EXIT_CODES, Report, ScenarioVerdict
from keiken.replay.request import Replay

__all__ = ["OUTCOME_EXIT_CODES", "Replay", "Report", "ScenarioVerdict", "plan", "prove", "replay", "rerun"]
