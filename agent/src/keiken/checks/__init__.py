"""Checks: CEL expressions that are bounded, evaluated outside the sandbox, and cannot change anything.

Loaded name by name: the child that evaluates is a process of this package and needs none of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keiken.checks.evaluator import Evaluator, StateAccess
    from keiken.checks.language import lint
    from keiken.checks.tokens import CheckError, references

__all__ = ["CheckError", "Evaluator", "StateAccess", "lint", "references"]

_HOMES = {"CheckError": "tokens", "references": "tokens", "Evaluator": "evaluator", "StateAccess": "evaluator"}


def __getattr__(name: str) -> object:
    """The public names, loaded when first asked for."""
    if name not in __all__:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"keiken.checks.{_HOMES.get(name, 'language')}"), name)
