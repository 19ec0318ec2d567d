"""The strength of checks with a verification: found out once, stored, signed, shown, and a reason not to pass."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Organization
from experiences.blobs import open_blob
from experiences.models import CheckStrength, Verification, Version
from experiences.services.attest import attest, statement_of
from experiences.services.claim import claim
from experiences.services.conclude import conclude
from experiences.services.enqueue_verification import enqueue
from experiences.services.grading import judged_by_strength
from experiences.services.verify import verify_next
from keiken.errors import SandboxUnavailable
from keiken.package import Package, unpack
from keiken.strength import METHOD, MutantRecord, Strength, wilson
from keiken.trust.statements import EXTENSION
from tests import factories
from tests.experiences.conftest import open_row, publish, seen

HERE = ["debian-12"]
EXIT_STATUS_ONLY: dict[str, Any] = {
    "name": "exit-status-only",
    "parameters": {},
    "permissions": {"commands": [], "write": ["work/**"]},
    "steps": [
        {"id": f"write_{name}", "shell": f"echo {name} > work/{name}", "expect": ["result.exit_code == 0"]}
        for name in ("a", "b", "c", "d")
    ],
    "scenarios": [
        {"name": "works", "environments": ["debian-12"], "expect": ["file('work/a').exists"]},
        {"name": "refuses", "environments": ["debian-12"], "facts": {"os.family": "plan9"}, "outcome": "refused"},
    ],
}


def mutants(caught: int, survived: int, **parts: Any) -> Strength:
    def one(status: str, number: int) -> MutantRecord:
        return MutantRecord.model_validate(
            {"kind": "omit", "step": f"s{number}", "how": "left_out", "scenario": "greets", "status": status, **parts}
        )

    found = [one("caught", number) for number in range(caught)] + [
        one("survived", number) for number in range(survived)
    ]
    return Strength(made=len(found), mutants=found)


def concluded_with(
    version: Version, strength: Strength | None, verdicts: Mapping[str, str] | None = None
) -> Verification:
    wanted = open_row(version)
    row = claim(environments=HERE)
    assert row is not None
    assert row.pk == wanted.pk
    found = seen(verdicts or {"greets": "passed", "refuses another family": "passed"})
    assert conclude(row, type(found)(found.environment, found.capability, found.verdicts, strength))
    row.refresh_from_db()
    return row


# --- in real sandboxes


@pytest.fixture
def real(transactional_db: None, sent: list[Any]) -> Organization:
    return factories.organization("acme")


@pytest.mark.slow
def test_checks_of_the_exit_status_only_prove_nothing(real: Organization, settings: Any) -> None:
    version = publish(real, **EXIT_STATUS_ONLY)
    row = verify_next(environment_names=HERE)
    assert row is not None
    assert row.verdict == "vacuous"
    results = {result.scenario: result for result in row.results.all()}
    assert {name: result.verdict for name, result in results.items()} == {"works": "vacuous", "refuses": "passed"}
    assert "noticed only 2 of 14 wrong effects: at least 4% is all that shows, and 20% is needed" in (
        results["works"].reason
    )
    stored = CheckStrength.objects.get(version=version)
    assert (stored.caught, stored.n, stored.method) == (2, 14, METHOD)
    attestation = attest(verification_id=str(row.pk))
    assert attestation is not None
    # An operator who asks for less gets the same figures and another verdict.
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"min_check_strength": 0.0})
    enqueue(version=version, environment_name="debian-12", trigger="age")
    again = verify_next(environment_names=HERE)
    assert again is not None
    assert again.verdict == "passed"


@pytest.mark.slow
def test_it_is_found_out_once_for_a_version_and_environment_digest(
    real: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish(real)
    row = verify_next(environment_names=HERE)
    assert row is not None
    assert row.verdict == "passed"
    stored = CheckStrength.objects.get(version=version)
    assert (stored.caught, stored.n, stored.environment_id) == (stored.n, stored.strength.made, row.environment_id)

    def never(*_arguments: object, **_options: object) -> Strength:
        raise AssertionError("graded a second time")

    monkeypatch.setattr("experiences.services.grading.grade", never)
    enqueue(version=version, environment_name="debian-12", trigger="age")
    again = verify_next(environment_names=HERE)
    assert again is not None
    assert again.verdict == "passed"
    assert CheckStrength.objects.count() == 1


@pytest.mark.slow
def test_without_a_sandbox_for_mutants_the_row_waits_and_nothing_is_concluded(
    real: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(real)

    def none(*_arguments: object, **_options: object) -> Strength:
        raise SandboxUnavailable("no_working_sandbox", "No sandbox works here.", "Install bubblewrap.")

    with monkeypatch.context() as patch:
        patch.setattr("experiences.services.grading.grade", none)
        waiting = verify_next(environment_names=HERE)
    assert waiting is not None
    assert (waiting.state, waiting.verdict, waiting.attempts) == ("queued", "", 0)
    assert CheckStrength.objects.count() == 0


# --- policy


@pytest.mark.parametrize(
    ("caught", "survived", "threshold", "verdict"),
    [(2, 12, 0.2, "vacuous"), (1, 0, 0.2, "passed"), (2, 12, 0.0, "passed"), (12, 0, 0.8, "vacuous"), (0, 0, 0.2, "passed")],
)  # fmt: skip
def test_the_lower_bound_is_held_against_the_threshold(
    version: Version, settings: Any, caught: int, survived: int, threshold: float, verdict: str
) -> None:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"min_check_strength": threshold})
    package = _package(version)
    found = judged_by_strength(package, seen({"greets": "passed"}).verdicts, mutants(caught, survived))
    assert [one.verdict for one in found] == [verdict]


def test_what_did_not_pass_and_what_refuses_is_left_alone(version: Version) -> None:
    verdicts = seen({"greets": "failed", "refuses another family": "passed"}).verdicts
    found = judged_by_strength(_package(version), verdicts, mutants(0, 9))
    assert [one.verdict for one in found] == ["failed", "passed"]


def _package(version: Version) -> Package:
    with open_blob(version.blob_id) as file, tempfile.TemporaryDirectory() as folder:
        return unpack(file.read(), Path(folder) / "package")


# --- what is kept, signed and shown


@pytest.fixture
def version(acme: Organization, sent: list[Any]) -> Version:
    return publish(acme)


def test_the_figures_are_signed(version: Version) -> None:
    row = concluded_with(version, mutants(7, 1))
    lower, upper = wilson(7, 8)
    assert statement_of(row)["predicate"][EXTENSION]["checkStrength"] == {
        "method": METHOD, "caught": 7, "n": 8, "made": 8,
        "lower95": round(lower, 4), "upper95": round(upper, 4), "threshold": 0.2,
    }  # fmt: skip


def test_what_was_not_graded_is_not_signed(version: Version) -> None:
    row = concluded_with(version, None)
    assert "checkStrength" not in statement_of(row)["predicate"][EXTENSION]


@pytest.mark.parametrize("strength", [None, Strength(), mutants(0, 3, status="void"), mutants(0, 3, status="untried")])
def test_what_tells_nothing_is_not_kept_so_the_next_proof_tries_again(
    version: Version, strength: Strength | None
) -> None:
    concluded_with(version, strength)
    assert CheckStrength.objects.count() == 0


def test_a_second_finding_does_not_replace_the_first(version: Version) -> None:
    concluded_with(version, mutants(7, 1))
    concluded_with(version, mutants(1, 7))
    assert CheckStrength.objects.values_list("caught", "n").get() == (7, 8)


def test_the_database_refuses_to_change_or_delete_it(version: Version) -> None:
    concluded_with(version, mutants(7, 1))
    for change in (lambda: CheckStrength.objects.update(caught=8), lambda: CheckStrength.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert CheckStrength.objects.get().caught == 7


def test_page_and_api_name_what_survived_and_the_check_that_would_have_noticed(
    version: Version, client: Client
) -> None:
    check = "file('work/greeting.txt').size > 0"
    concluded_with(version, mutants(7, 1, proposal=check, place="step"))
    document = client.get("/api/v1/experiences/acme/write-greeting/versions/1.0.0").json()
    (shown,) = [row["check_strength"] for row in document["verifications"]]
    assert (shown["grade"], shown["caught"], shown["n"], shown["interval"]) == ("fair", 7, 8, [0.5291, 0.9776])
    assert [(item["sentence"], item["proposal"]) for item in shown["survived"]] == [
        ("Step 's0' was left out and claimed success.", check)
    ]
    page = client.get(reverse("version", args=["acme", "write-greeting", "1.0.0"])).content.decode()
    assert "fair: 7 of 8 wrong effects noticed, 88 % (95 % interval 53 to 98 %)" in page
    assert "Step “s0” was left out and claimed success." in page
    assert "file(&#x27;work/greeting.txt&#x27;).size &gt; 0" in page
