"""The main job through the real interfaces: two organizations, a stranger, a site and its workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiences.models import Attestation, Verification
from marketplace.models import Rating, ReplayReport
from tests import factories
from tests.journeys.conftest import Laptop, Site, wait_until
from tests.packages import write_package

pytestmark = [pytest.mark.slow]


def all_proven() -> bool:
    return not Verification.objects.exclude(state="done").exists() and (
        Attestation.objects.count() == Verification.objects.count()
    )


@pytest.fixture
def parties(site: Site) -> tuple[Laptop, Laptop]:
    """The publisher's and the buyer's laptop, logged in."""
    acme, globex = factories.organization("acme"), factories.organization("globex")
    return (
        site.laptop("acme", factories.agent_key(acme).secret),
        site.laptop("globex", factories.agent_key(globex).secret),
    )


def test_record_publish_verify_license_fit_download_replay_report_rate(
    site: Site, parties: tuple[Laptop, Laptop], tmp_path: Path
) -> None:
    acme, globex = parties
    site.start_one_worker()

    session = tmp_path / "session.sh"
    session.write_text("mkdir -p work/out\ncp /etc/debian_version work/out/version.txt\n")
    draft = tmp_path / "copy-version"
    acme.keiken("record", "shell", "--script", str(session), "--out", str(draft), "--name", "copy-version")
    acme.keiken("check", str(draft))
    published = acme.keiken("publish", str(draft)).document
    assert (published["organization"], published["name"]) == ("acme", "copy-version")
    assert acme.keiken("publish", str(draft)).document["digest"] == published["digest"]
    wait_until(all_proven, "the recorded procedure is proven")
    assert set(Verification.objects.values_list("verdict", flat=True)) == {"passed"}

    found = globex.keiken("search", "copy", "--fits").document["results"]
    assert [(item["organization"], item["name"]) for item in found] == [("acme", "copy-version")]
    refused = globex.keiken("pull", "acme/copy-version", exit_code=3).document
    assert refused["error"]["code"] == "license_required"

    publish_free_offer(acme, site, "copy-version")
    globex.keiken("accept", "acme/copy-version", "--yes")
    globex.keiken("pull", "acme/copy-version")
    globex.keiken("attestations", f"acme/copy-version@{published['version']}", "--offline")
    replayed = globex.keiken("replay", "acme/copy-version").document
    assert replayed["outcome"] == "succeeded"
    globex.keiken("report")
    globex.keiken("report")
    globex.keiken("rate", "acme/copy-version", "--stars", "5")
    globex.keiken("rate", "acme/copy-version", "--stars", "4")
    assert ReplayReport.objects.count() == 1
    assert list(Rating.objects.values_list("stars", flat=True)) == [4]


def publish_free_offer(laptop: Laptop, site: Site, name: str) -> None:
    """What a publisher does on the page: terms and a free offer."""
    from accounts.models import Organization
    from experiences.models import Experience
    from licensing.services.create_offer import create_offer
    from licensing.services.create_terms import create_terms

    acme = Organization.objects.get(slug="acme")
    actor = factories.owner_actor(acme)
    terms = create_terms(
        actor=actor,
        organization=acme,
        name=f"{name}-terms",
        kind="custom",
        text="Use it well.",
        uses=["replay", "read"],
    )
    create_offer(actor=actor, experience=Experience.objects.get(name=name), terms=terms, kind="free")


def test_an_experience_that_lies_is_failed(site: Site, parties: tuple[Laptop, Laptop], tmp_path: Path) -> None:
    acme, _globex = parties
    site.start_one_worker()
    liar = write_package(
        tmp_path / "liar",
        name="liar",
        permissions={"commands": ["echo"], "write": ["work/**"]},
        steps=[
            {
                "id": "pretend",
                "run": ["echo", '{"outcome": "succeeded", "verdict": "passed"}'],
                "expect": ["result.exit_code == 0", "file('work/greeting.txt').exists"],
            }
        ],
    )
    acme.keiken("publish", str(liar))
    wait_until(all_proven, "the liar is judged")
    verification = Verification.objects.get()
    assert verification.verdict == "failed"
    verdicts = {result.scenario: result.verdict for result in verification.results.all()}
    assert verdicts == {"greets": "failed", "refuses another family": "passed"}
    reason = verification.results.get(scenario="greets").reason
    assert "file('work/greeting.txt').exists" in reason


def test_unmet_conditions_are_named_and_nothing_is_touched(
    site: Site, parties: tuple[Laptop, Laptop], tmp_path: Path
) -> None:
    _acme, globex = parties
    picky = write_package(
        tmp_path / "picky",
        name="picky",
        conditions={"os.family": "plan9", "tool.openssl": "<0.9", "host.memory_mib": ">=1"},
    )
    before = sorted(str(path) for path in globex.folder.rglob("*") if "reports" not in path.parts)
    refused = globex.keiken("replay", str(picky), exit_code=3).document
    failing = {item["condition"]: item for item in refused["conditions"] if item["status"] == "fails"}
    assert sorted(failing) == ["os.family = plan9", "tool.openssl <0.9"] or len(failing) == 2
    assert all(item["found"] for item in failing.values())
    assert [step["status"] for step in refused["steps"]] in ([], ["not_run", "not_run"])
    after = sorted(str(path) for path in globex.folder.rglob("*") if "reports" not in path.parts)
    assert after == before


def test_one_flipped_byte_is_found_offline(site: Site, parties: tuple[Laptop, Laptop], tmp_path: Path) -> None:
    acme, _globex = parties
    site.start_one_worker()
    acme.keiken("publish", str(write_package(tmp_path / "write-greeting")))
    wait_until(all_proven, "the greeting is proven")
    pulled = acme.keiken("pull", "acme/write-greeting").document
    reference = "acme/write-greeting@1.0.0"
    assert acme.keiken("attestations", reference, "--offline").document["verified"] is True

    for path in [Path(pulled["archive"]), Path(pulled["attestations"])]:
        original = path.read_bytes()
        position = original.index(b'"payload"') + 40 if path.suffix == ".json" else len(original) // 2
        flipped = bytearray(original)
        flipped[position] ^= 1
        path.write_bytes(bytes(flipped))
        refused = acme.keiken("attestations", reference, "--offline", exit_code=3).document
        assert refused["error"]["code"] in {"digest_mismatch", "signature_invalid", "envelope_malformed"}
        path.write_bytes(original)
    assert acme.keiken("attestations", reference, "--offline").document["verified"] is True


def test_the_command_line_always_answers_with_one_document(site: Site, parties: tuple[Laptop, Laptop]) -> None:
    _acme, globex = parties
    for arguments in (["show", "acme/absent"], ["pull", "nonsense"], ["replay", "/absent"], ["check", "/absent"]):
        refused = globex.keiken(*arguments, exit_code=None)
        assert refused.exit_code in (1, 3)
        assert set(json.loads(refused.output)["error"]) == {"code", "message", "advice", "details"}
