"""Replaying an experience without a model, and proving its scenarios."""

from keiken.replay.engine import Replay, replay
from keiken.replay.plan import plan
from keiken.replay.prove import prove
from keiken.replay.report import OUTCOME_EXIT_CODES, Report, ScenarioVerdict

__all__ = ["OUTCOME_EXIT_CODES", "Replay", "Report", "ScenarioVerdict", "plan", "prove", "replay"]
