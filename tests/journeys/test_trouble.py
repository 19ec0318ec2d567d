"""Workers that are killed, messages that are lost, machines without a sandbox."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import redis
from django.conf import settings

from experiences.models import Attestation, Verification
from tests import factories
from tests.journeys.conftest import Site, wait_until
from tests.packages import package_bytes, write_package

pytestmark = [pytest.mark.slow]

SLOW_STEPS = [
    # The row also runs while mutants are tried, each of which waits as long again.
    {"id": "wait", "run": ["sleep", "1"], "expect": ["result.exit_code == 0"]},
    {
        "id": "copy",
        "run": ["cp", "SKILL.md", "work/copy.md"],
        "expect": ["file('work/copy.md').sha256 == file('SKILL.md').sha256"],
    },
]
SLOW = {
    "name": "slow",
    "permissions": {"commands": ["sleep", "cp"], "write": ["work/**"]},
    "parameters": {},
    "steps": SLOW_STEPS,
    "scenarios": [{"name": "copies", "environments": ["debian-12"]}],
}


def publish(**manifest: object) -> Verification:
    from experiences.services.publish import publish as publish_version

    organization = factories.organization()
    publish_version(
        actor=factories.owner_actor(organization),
        organization_slug=organization.slug,
        archive=package_bytes(**manifest),
        visibility="public",
    )
    return Verification.objects.get(version__experience__organization=organization)


def is_running(verification: Verification) -> bool:
    verification.refresh_from_db()
    return verification.state == "running"


def is_attested() -> bool:
    return Attestation.objects.exists()


@pytest.mark.parametrize("also", ["nothing else", "the broker's messages are lost"])
def test_a_killed_worker_costs_time_and_never_a_verdict(site: Site, also: str) -> None:
    site.start_workers()
    verification = publish(**SLOW)
    wait_until(lambda: is_running(verification), "the verification runs")
    site.stack.kill("verify")
    if also != "nothing else":
        redis.Redis.from_url(settings.REDIS_URL).flushdb()
    verification.refresh_from_db()
    assert verification.state in ("running", "queued")  # the lease may have run out meanwhile
    assert verification.verdict == ""

    site.stack.start_worker("verify", "verify")
    wait_until(is_attested, "another worker concludes it")
    verification.refresh_from_db()
    assert (verification.state, verification.verdict) == ("done", "passed")
    assert verification.attempts >= 2
    assert Verification.objects.count() == 1
    assert verification.results.count() == 1
    assert Attestation.objects.count() == 1


def test_without_a_sandbox_the_verification_waits_and_says_why(site: Site, tmp_path: Path) -> None:
    missing = {"KEIKEN_BWRAP": "/nonexistent/bwrap", "KEIKEN_OCI_RUNTIME": "/nonexistent/runc"}
    site.stack.environ = {**site.stack.environ, **missing}
    site.start_workers()
    verification = publish()

    def is_explained() -> bool:
        verification.refresh_from_db()
        return verification.operator_note != ""

    wait_until(is_explained, "the operator is told")
    assert verification.state == "queued"
    assert "bubblewrap" in verification.operator_note
    assert (verification.verdict, verification.results.count(), Attestation.objects.count()) == ("", 0, 0)

    canary = tmp_path / "canary"
    package = write_package(
        tmp_path / "toucher",
        name="toucher",
        parameters={},
        scenarios=[{"name": "touches", "environments": ["debian-12"]}],
        permissions={"commands": ["touch"], "write": ["work/**"]},
        steps=[{"id": "touch", "run": ["touch", str(canary), "work/x"], "expect": ["result.exit_code == 0"]}],
    )
    laptop = site.laptop("nobody")
    refused = laptop.keiken("replay", str(package), exit_code=3, **missing).document
    assert "sandbox" in (refused.get("code") or refused["error"]["code"])
    assert not canary.exists()

    site.stack.kill("verify")
    site.stack.environ = {name: value for name, value in site.stack.environ.items() if name not in missing}
    site.stack.start_worker("verify", "verify")
    wait_until(is_attested, "with a sandbox it is proven after all", seconds=120)


@pytest.mark.parametrize("entry", ["marketplace.wsgi", "celery worker"])
def test_the_platform_cannot_import_the_host_executor(entry: str, transactional_db: None) -> None:
    start = {
        "marketplace.wsgi": "import marketplace.wsgi",
        "celery worker": "from marketplace.celery import app, _guard_worker\n"
        "from celery.signals import celeryd_init\n"
        "celeryd_init.send(sender='test', instance=None, conf=app.conf, options={})",
    }[entry]
    code = f"{start}\ntry:\n    import keiken.sandbox.host\nexcept ImportError as error:\n    print(error)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("the platform only replays in sandboxes.")
