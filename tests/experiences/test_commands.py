"""What an operator asks on the command line and on the admin pages."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import Organization
from experiences.models import Verification
from experiences.services.attest import attest
from experiences.services.claim import claim, tell_waiting
from experiences.services.signing import signing_key
from tests import factories
from tests.experiences.conftest import concluded, publish


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_status_says_what_waits_and_why(acme: Organization, sent: list[Any]) -> None:
    concluded(publish(acme, name="one"))
    publish(acme, name="two")
    tell_waiting(environments=["debian-12"], note="No sandbox works here. Install bubblewrap.")
    lines = run("verification", "status").splitlines()
    assert lines == [
        "1 queued, 0 running, 1 done, 1 unsigned",
        "acme/two@1.0.0 in debian-12: queued (attempts: 0)",
        "    No sandbox works here. Install bubblewrap.",
    ]
    document = json.loads(run("verification", "status", "--json"))
    assert document["counts"] == {"queued": 1, "running": 0, "done": 1, "unsigned": 1}
    assert [row["version"] for row in document["open"]] == ["acme/two@1.0.0"]


def test_status_names_the_worker_that_holds_a_row(acme: Organization, sent: list[Any]) -> None:
    publish(acme)
    row = claim(environments=["debian-12"], worker="north")
    assert row is not None
    assert row.lease_until is not None
    lines = run("verification", "status").splitlines()
    assert lines[1] == (
        f"acme/write-greeting@1.0.0 in debian-12: running (attempts: 1) held by north until {row.lease_until:%H:%M:%S}"
    )


def test_environments_are_listed_by_name() -> None:
    names = [line.split()[0] for line in run("environments", "list").splitlines()]
    assert {"debian-12", "local"} <= set(names)
    assert names == sorted(names)


def test_an_unknown_environment_is_no_traceback() -> None:
    with pytest.raises(CommandError, match="There is no environment 'plan-9'"):
        run("environments", "build", "plan-9")
    with pytest.raises(CommandError, match="There is no environment 'plan-9'"):
        run("environments", "probe", "plan-9")


def test_an_environment_says_from_inside_what_it_is() -> None:
    lines = run("environments", "probe", "local").splitlines()
    assert lines[0].startswith("local  sha256:")
    assert "  os.family: linux" in lines


def test_a_bad_recipe_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.yaml").write_text("name: own\ndescription: Ours.\nhook: reboot\n", encoding="utf-8")
    monkeypatch.setenv("KEIKEN_RECIPES_DIR", str(tmp_path))
    with pytest.raises(CommandError, match=r"own\.yaml:3 \(hook\)"):
        run("environments", "list")


@pytest.mark.parametrize("page", ["experience", "version", "verification", "attestation", "environment", "publickey"])
def test_an_operator_sees_everything_and_changes_nothing(acme: Organization, sent: list[Any], page: str) -> None:
    row = concluded(publish(acme))
    attest(verification_id=str(row.pk))
    signing_key()
    client = Client()
    client.force_login(factories.person(is_staff=True, is_superuser=True))
    home = f"{reverse('admin:index')}experiences"
    listed = client.get(f"{home}/{page}/")
    assert listed.status_code == 200
    assert b"1 " in listed.content
    assert client.get(f"{home}/{page}/add/").status_code == 403
    assert client.post(f"{home}/verification/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Verification.objects.count() == 1
