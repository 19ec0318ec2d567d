"""What a publisher most likely has to do about a verdict: words for what the runs showed. They decide nothing."""

from __future__ import annotations

import re

from keiken.i18n import _
from keiken.package.manifest import Manifest, Step
from keiken.replay.report import Report, StepRecord

_NO_NETWORK = re.compile(
    r"could not resolve|name resolution|name or service not known|network is unreachable|no route to host"
    r"|getaddrinfo|unknown host|couldn't connect to server|failed to connect",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\bdate\b|\btime\b|\blocaltime\b|\bgmtime\b|\bclock\b|\bnow\(|\bhwclock\b|\buptime\b")
_RANDOM = re.compile(r"\brandom\b|\burandom\b|\brand\b|\bshuf\b|\bmktemp\b|\buuidgen\b|\$RANDOM|\bsrand\b")


def next_step(manifest: Manifest, report: Report) -> str:
    """A sentence about the step that a run stopped at; empty where nothing is known of it."""
    record = stopped_at(report)
    if record is not None and _NO_NETWORK.search(f"{record.stdout}\n{record.stderr}"):
        if manifest.permissions.network:
            return _("It found no network: a verification has none, unless the operator allows the declared hosts.")
        return _(
            "It looks for a network, which a verification does not have and the package does not declare. Bring what "
            "it needs along as a file of the package, or start a service of the scenario; else declare the hosts "
            "under 'permissions.network'."
        )
    return _("See what the step did and printed: 'keiken show --evidence', or 'keiken check' on your own machine.")


def why_unsteady(manifest: Manifest, report: Report) -> str:
    """A sentence about why identical runs may have ended differently."""
    record = stopped_at(report)
    step = next((step for step in manifest.steps if record is not None and step.id == record.id), None)
    words = _words(step) if step is not None else ""
    if _CLOCK.search(words):
        return _(
            "Step '{step}' reads the clock, so it depends on when it runs: take the time as a parameter, or check what "
            "holds at any time."
        ).format(step=step.id if step else "")
    if _RANDOM.search(words):
        return _("Step '{step}' uses chance: give it a fixed seed or name, or check what holds in every case.").format(
            step=step.id if step else ""
        )
    return _(
        "Look for what is not the same each time (the clock, chance, the order of things, something still starting) "
        "and wait for it, fix it, or leave it out of the checks."
    )


def stopped_at(report: Report) -> StepRecord | None:
    return next((step for step in report.steps if step.status in ("diverged", "failed")), None)


def _words(step: Step) -> str:
    return " ".join([*(step.run or ()), step.shell or "", *step.expect, *step.requires])
