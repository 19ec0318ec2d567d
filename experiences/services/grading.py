"""The strength of a version's checks: found out with its first proof in an environment, known from then on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from experiences.domain.storable import storable
from experiences.models import CheckStrength, Verification
from experiences.models import Environment as EnvironmentRow
from keiken.package import Package
from keiken.replay.report import ScenarioVerdict
from keiken.sandbox.protocol import Driver, Environment
from keiken.strength import METHOD, Bounds, Strength, grade

BOUNDS = Bounds(mutants=24, seconds=60)
"""What one version may cost in one environment, beside its proof. Not its fault when it is not enough."""


def strength_of(
    row: Verification,
    package: Package,
    verdicts: Sequence[ScenarioVerdict],
    *,
    driver: Driver,
    environment: Environment,
    tell: Callable[..., None],
) -> Strength | None:
    """What is known of this version in exactly this environment, else what mutants show now; None when nothing passed.

    Raises SandboxUnavailable.
    """
    if not any(verdict.verdict == "passed" for verdict in verdicts):
        return None
    known = CheckStrength.objects.filter(
        version_id=row.version_id,
        environment__name=environment.name,
        environment__digest=environment.digest,
        method=METHOD,
    ).first()
    if known is not None:
        return known.strength
    return grade(
        package,
        verdicts,
        driver=driver,
        environment=environment,
        bounds=BOUNDS,
        on_progress=lambda tried, chosen: tell("mutants", tried=tried, chosen=chosen),
    )


def judged_by_strength(
    package: Package, verdicts: Sequence[ScenarioVerdict], strength: Strength | None
) -> list[ScenarioVerdict]:
    """The verdicts, ``vacuous`` in place of ``passed`` where the checks are shown to be too weak to prove anything.

    A scenario that promises a refusal has nothing to do with mutants and keeps its verdict.
    """
    threshold = settings.KEIKEN.min_check_strength
    if strength is None or strength.grade(threshold) != "weak":
        return list(verdicts)
    promised = {scenario.name: scenario.outcome for scenario in package.manifest.scenarios}
    lower, _upper = strength.interval
    reason = _(
        "Its checks noticed only {caught} of {n} wrong effects: at least {lower:.0%} is all that shows, and "
        "{threshold:.0%} is needed. 'keiken check --strength' names the checks that are missing."
    ).format(caught=strength.caught, n=strength.n, lower=lower, threshold=threshold)
    return [
        verdict.model_copy(update={"verdict": "vacuous", "reason": reason})
        if verdict.verdict == "passed" and promised.get(verdict.scenario) != "refused"
        else verdict
        for verdict in verdicts
    ]


def keep_strength(row: Verification, environment: EnvironmentRow, strength: Strength | None) -> None:
    """Write it down, unless it is known or tells nothing: then the next proof tries again."""
    if strength is None or not strength.n or strength.grade() == "unknown":
        return
    CheckStrength.objects.get_or_create(
        version_id=row.version_id,
        environment=environment,
        method=strength.method,
        defaults={
            "caught": strength.caught,
            "n": strength.n,
            "record": storable(strength.model_dump(mode="json")),
        },
    )


def figures_of(row: Verification) -> dict[str, Any]:
    """The figures the policy went by, for the statement; empty where the checks were not graded."""
    known = CheckStrength.objects.filter(version_id=row.version_id, environment=row.environment)
    found = known.order_by("-method").first()
    if found is None:
        return {}
    strength = found.strength
    lower, upper = strength.interval
    return {
        "method": found.method,
        "caught": found.caught,
        "n": found.n,
        "made": strength.made,
        "lower95": round(lower, 4),
        "upper95": round(upper, 4),
        "threshold": settings.KEIKEN.min_check_strength,
    }
