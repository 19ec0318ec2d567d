"""``keiken sandbox``: does confinement work on this machine, and if not, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal, table, word
from keiken.i18n import _
from keiken.sandbox import Capability, drivers
from keiken.sandbox.policy import Policy, policy_here


@click.command("sandbox", cls=Command, help=_("Test the sandboxes of this machine: what must be refused is tried out."))
@pass_terminal
def command(terminal: Terminal) -> int:
    policy = policy_here()
    with terminal.working(_("trying what must be refused")):
        found = [driver.probe() for driver in drivers().values()]
    usable = [capability for capability in found if capability.working and _is_admitted(policy, capability)]
    shown: list[Any] = []
    for capability in found:
        shown += _about(capability)
    document = {
        "working": bool(usable),
        "policy": {"drivers": list(policy.order), "minimum_isolation": policy.minimum},
        "drivers": [{**_document(capability), "admitted": _is_admitted(policy, capability)} for capability in found],
    }
    terminal.answer(document, *shown, _policy_words(policy, found))
    return 0 if usable else 3


def _is_admitted(policy: Policy, capability: Capability) -> bool:
    return capability.driver in policy.order and policy.admits(capability.isolation)


def _policy_words(policy: Policy, found: Sequence[Capability]) -> str:
    """Which driver is used, in one sentence."""
    by_name = {capability.driver: capability for capability in found}
    for name in policy.order:
        if by_name[name].working and policy.admits(by_name[name].isolation):
            return _("Used here: {driver} (order: {order}; at least {minimum}).").format(
                driver=name, order=", ".join(policy.order), minimum=policy.minimum
            )
    return _("None can be used here (order: {order}; at least {minimum}).").format(
        order=", ".join(policy.order), minimum=policy.minimum
    )


def _document(capability: Capability) -> dict[str, Any]:
    return {
        "driver": capability.driver,
        "working": capability.working,
        "isolation": capability.isolation,
        "limits_enforced": capability.limits_enforced,
        "problem": capability.problem,
        "advice": capability.advice,
        "self_test": dict(capability.self_test),
    }


def _about(capability: Capability) -> list[Any]:
    state = _("works") if capability.working else _("does not work")
    limits = _("limits enforced") if capability.limits_enforced else _("memory and CPU only bounded per process")
    lines: list[Any] = [f"{capability.driver}: {state} · {capability.isolation} · {limits}"]
    if capability.self_test:
        lines.append(table([_("tried"), _("result")], [(k, word(v)) for k, v in capability.self_test.items()]))
    return [*lines, *(text for text in (capability.problem, capability.advice) if text)]
