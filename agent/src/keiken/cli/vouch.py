"""``keiken vouch``: prove somebody else's version in a sandbox here, and add a statement signed with one's own key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from keiken import __version__
from keiken.cli.command import Command, pass_terminal
from keiken.cli.machine import environment_named
from keiken.cli.market import pulled_now
from keiken.cli.packages import unpacked
from keiken.cli.terminal import Terminal, table, word
from keiken.client import Pulled, Reference, saved_login
from keiken.errors import Failed
from keiken.i18n import _
from keiken.package import Package
from keiken.paths import config_dir
from keiken.replay.prove import prove
from keiken.replay.report import ScenarioVerdict
from keiken.sandbox import Driver, Environment, working_driver
from keiken.trust import SigningKey, Verified, sign, verification_statement

WORST_FIRST = (
    "invalid_package",
    "policy_violation",
    "limit_exceeded",
    "failed",
    "flaky",
    "vacuous",
    "inconclusive",
    "precondition_unmet",
    "passed",
)
"""As the marketplace weighs them: of several scenarios the first one found here decides."""


@click.command(
    "vouch",
    cls=Command,
    help=_("Prove a version of somebody else in a sandbox here, and add the statement, signed with a key of yours."),
)
@click.argument("reference", metavar="ORG/NAME[@VERSION]")
@click.option("--environment", "names", multiple=True, metavar="NAME", help=_("Prove only in this one (repeatable)."))
@click.option("--driver", "driver_name", metavar="NAME", help=_("The sandbox driver, instead of the first that works."))
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=_("The key to sign with, as PEM; otherwise one of the settings folder, made at first use."),
)
@click.option("--valid-days", type=click.IntRange(1, 365), default=30, help=_("How long it counts as proof (30)."))
@pass_terminal
def command(
    terminal: Terminal,
    reference: str,
    names: tuple[str, ...],
    driver_name: str | None,
    key_file: Path | None,
    valid_days: int,
) -> int:
    login, wanted = saved_login(), Reference.parse(reference)
    pulled, _claims = pulled_now(terminal, login, wanted)
    key = SigningKey.load_or_make(key_file or config_dir() / "verifier.pem")
    with terminal.working(_("testing the sandbox")):
        driver = working_driver(driver_name)
    with unpacked(pulled.archive.read_bytes()) as package:
        seen = _proofs(terminal, package, names, driver)
    sent: list[dict[str, Any]] = []
    with terminal.working(_("sending the statements")), login.client() as client:
        for environment, verdicts in seen:
            statement = _statement(pulled, environment, verdicts, driver, valid_days)
            stored, is_new = client.submit_statement(pulled.reference, sign(statement, key), key.public.as_base64())
            sent.append(
                {"environment": environment.name, "verdict": stored.verdict, "digest": stored.digest, "is_new": is_new}
            )
    document = {"reference": str(pulled.reference), "key": key.public.as_base64(), "statements": sent}
    rows = [(item["environment"], word(item["verdict"]), item["digest"]) for item in sent]
    terminal.answer(
        document,
        _("Signed with your key {key}; who trusts it names it with --key.").format(key=key.public.as_base64()),
        table([_("environment"), _("verdict"), _("statement")], rows),
    )
    return 0 if all(item["verdict"] == "passed" for item in sent) else 5


def _proofs(
    terminal: Terminal, package: Package, names: Sequence[str], driver: Driver
) -> list[tuple[Environment, list[ScenarioVerdict]]]:
    """Every scenario in each environment it is for; never in another one, that would prove something else."""
    needed = dict.fromkeys(name for scenario in package.manifest.scenarios for name in scenario.environments)
    found = []
    for name in needed:
        if names and name not in names:
            continue
        environment = environment_named(name, terminal)
        verdicts = []
        for scenario in package.manifest.scenarios:
            if name in scenario.environments:
                shown = _("{scenario}, in {environment}").format(scenario=scenario.name, environment=name)
                with terminal.working(shown):
                    verdicts.append(prove(package, scenario, driver=driver, environment=environment))
        _refuse_trouble(verdicts)
        found.append((environment, verdicts))
    if not found:
        raise Failed(
            "environment_not_named",
            _("None of its scenarios is for {names}.").format(names=", ".join(names)),
            _("Name one of: {names}.").format(names=", ".join(needed)),
        )
    return found


def _refuse_trouble(verdicts: Sequence[ScenarioVerdict]) -> None:
    """Trouble of this machine is signed by nobody. Raises Failed ``verification_error``."""
    for verdict in verdicts:
        if verdict.verdict == "error":
            raise Failed(
                "verification_error",
                _("Scenario '{scenario}' could not be proven here: {reason}").format(
                    scenario=verdict.scenario, reason=verdict.reason
                ),
                _("Nothing was signed. Mend this machine and try again."),
            )


def _statement(
    pulled: Pulled, environment: Environment, verdicts: Sequence[ScenarioVerdict], driver: Driver, valid_days: int
) -> dict[str, Any]:
    found = {verdict.verdict for verdict in verdicts}
    capability, now = driver.probe(), datetime.now(UTC)
    return verification_statement(
        Verified(
            reference=str(pulled.reference),
            package_digest=pulled.digest,
            verdict=next(verdict for verdict in WORST_FIRST if verdict in found),
            environment=environment.name,
            environment_digest=environment.digest,
            facts=environment.facts,
            driver=capability.driver,
            isolation=capability.isolation,
            replayer=f"keiken {__version__}",
            scenarios={verdict.scenario: verdict.verdict for verdict in verdicts},
            trigger="independent",
            attempt=1,
            verified_at=now,
            valid_until=now + timedelta(days=valid_days),
        )
    )
