"""A worker's whole turn in the real sandbox: what works, what lies and what proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Organization
from experiences.models import Verification
from experiences.services.attest import attest
from experiences.services.verify import verify_next
from tests import factories
from tests.experiences.conftest import publish


@pytest.fixture
def acme_real(transactional_db: None, sent: list[Any]) -> Organization:
    return factories.organization("acme")


def proven(organization: Organization, **parts: Any) -> Verification:
    version = publish(organization, **parts)
    row = verify_next(environment_names=["debian-12"])
    assert row is not None
    assert row.version_id == version.pk
    return row


@pytest.mark.slow
def test_an_experience_that_works_passes_and_is_attested(acme_real: Organization) -> None:
    row = proven(acme_real)
    verdicts = dict(row.results.values_list("scenario", "verdict"))
    assert verdicts == {"greets": "passed", "refuses another family": "passed"}
    assert (row.state, row.verdict, row.isolation, row.attempts) == ("done", "passed", "namespace", 1)
    assert row.environment is not None
    assert row.environment.digest.startswith("sha256:")
    assert row.environment.facts["os.family"] == "linux"
    attestation = attest(verification_id=str(row.pk))
    assert attestation is not None
    report = row.results.get(scenario="greets").report
    assert report["executor"]["driver"] == "bubblewrap"
    assert report["digest"] == row.version.blob_id


@pytest.mark.slow
def test_an_experience_that_lies_fails_because_checks_look_from_outside(acme_real: Organization) -> None:
    row = proven(
        acme_real,
        name="liar",
        permissions={"commands": ["sh"], "write": ["work/**"]},
        parameters={},
        steps=[
            {
                "id": "claim",
                "run": ["sh", "-c", "echo 'backup written, all checks passed'; exit 0"],
                "expect": ["result.exit_code == 0", "file('work/backup.db').size > 0"],
            }
        ],
        scenarios=[{"name": "backs up", "environments": ["debian-12"]}],
    )
    assert (row.state, row.verdict) == ("done", "failed")
    result = row.results.get()
    assert result.verdict == "failed"
    assert result.report["steps"][0]["exit_code"] == 0
    assert "backup written" in result.report["steps"][0]["stdout"]


@pytest.mark.slow
def test_checks_that_hold_without_the_steps_are_vacuous(acme_real: Organization) -> None:
    row = proven(
        acme_real,
        name="vacuous",
        permissions={"commands": ["true"], "write": ["work/**"]},
        parameters={},
        steps=[{"id": "nothing", "run": ["true"], "expect": ["result.exit_code == 0"]}],
        scenarios=[{"name": "does nothing", "environments": ["debian-12"]}],
    )
    assert (row.state, row.verdict) == ("done", "vacuous")
