"""Checks: CEL expressions that are bounded, evaluated outside the sandbox, and cannot change anything."""

from keiken.checks.evaluator import Evaluator, StateAccess
from keiken.checks.language import CheckError, lint

__all__ = ["CheckError", "Evaluator", "StateAccess", "lint"]
