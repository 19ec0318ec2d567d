"""Which promise of the database a write would have broken, so that a use case refuses only what it expects."""

from __future__ import annotations

from django.db import IntegrityError


def broken_constraint(error: IntegrityError) -> str:
    """The constraint's name, for example ``membership_once``; empty when the database names none."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return str(getattr(diagnosis, "constraint_name", None) or "")
