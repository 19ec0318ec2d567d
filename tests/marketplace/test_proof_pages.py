"""The pages of proofs: evidence step by step, what differs between runs, strips, the matrix, and the badge."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from experiences.domain.evidence_store import packed
from experiences.models import Attestation, EvidenceRecord, Verification, Version
from keiken.replay.evidence import CheckSeen, ConnectionSeen, Evidence, FileSeen, StepSeen, Value, outcome_digest
from marketplace.drawing import badge
from marketplace.proofs import MATRIX_EXPERIENCES, STRIP_VERDICTS
from tests.marketplace.conftest import Market, judge, publish
from tests.marketplace.test_pages import HOSTILE, assert_sound

QUERIES_MAX = 12
EXPERIENCE = "/experiences/acme/write-greeting"
DIGEST = "sha256:" + "a" * 64


def run_of(text: str = "Hello", status: str = "succeeded") -> Evidence:
    step = StepSeen(
        id="write", title="Write it", action="run", argv=["cp", "from", text], status=status, duration_seconds=0.25,
        exit_code=0, cpu_seconds=0.01, peak_memory_bytes=3 << 20, stdout=f"printed {text}", attempts=1,
        checks=[CheckSeen(kind="expect", expression="file('work/a').size > 5", holds=True,
                          values=[Value(name="file('work/a').size", shown="13", digest="13")])],
        outputs=[Value(name="text", shown=f'"{text}"', digest=text)],
        files=[FileSeen(path=f"work/{text}", change="made", after=DIGEST, size=13, mode="0644", holds_secret=True)],
        files_left_out=2,
    )  # fmt: skip
    run = Evidence(replay_id="r", outcome="succeeded", duration_seconds=0.5, steps=[step])
    return run.model_copy(update={"outcome_digest": outcome_digest(run)})


def proven(
    version: Version, *runs: Evidence, verdict: str = "passed", days_ago: float = 0, **parts: Any
) -> Verification:
    """A concluded verification of its own with evidence; without a digest of its runs in the attestation."""
    version.verifications.exclude(state="done").delete()
    Verification.objects.create(version=version, environment_name=parts.get("environment", "debian-12"), trigger="age")
    Verification.objects.filter(version=version, state="done").update(state="done")
    open_row = version.verifications.exclude(state="done").get()
    done = _concluded(open_row, verdict, days_ago)
    for result in done.results.all():
        for number, run in enumerate(runs, start=1):
            EvidenceRecord.objects.create(
                result=result, run=number, outcome_digest=run.outcome_digest, content=packed(run)
            )
    return done


def _concluded(row: Verification, verdict: str, days_ago: float) -> Verification:
    from experiences.models import Environment, ScenarioResult

    row.environment, _made = Environment.objects.get_or_create(name=row.environment_name, digest="sha256:" + "e" * 64)
    row.state, row.verdict, row.isolation = "done", verdict, "namespace"
    row.started_at = row.finished_at = timezone.now() - timedelta(days=days_ago)
    row.save()
    Attestation.objects.create(verification=row, envelope={"payload": "e30=", "signatures": [{"sig": "c2ln"}]})
    for scenario in row.version.manifest["scenarios"]:
        ScenarioResult.objects.create(verification=row, scenario=scenario["name"], verdict=verdict, report={})
    return row


def page_of(row: Verification) -> str:
    return f"{EXPERIENCE}/{row.version.version}/verifications/{row.pk}"


def html_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return response.content.decode()


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("who", ["stranger", "owner", "buyer"])
def test_the_pages_are_sound_in_both_languages_with_few_queries(market: Market, who: str, language: str) -> None:
    proven(market.public, run_of("one"))
    proven(market.public, run_of("two"), environment="debian-12-web", verdict="failed")
    row = proven(market.public, run_of("two"))
    client = market.signed_in({"owner": market.acme, "buyer": market.globex}.get(who))
    client.cookies["django_language"] = language
    for path in (EXPERIENCE, f"{EXPERIENCE}/1.0.0", page_of(row), "/environments", "/environments?organization=acme"):
        with CaptureQueriesContext(connection) as queries:
            html = html_of(client, path)
        assert len(queries) <= QUERIES_MAX, (path, [query["sql"][:120] for query in queries])
        assert_sound(html)
        assert f'<html lang="{language}"' in html


def test_the_publisher_sees_each_step_with_words_values_files_and_use(market: Market) -> None:
    row = proven(market.public, run_of("Hello"))
    html = html_of(market.signed_in(market.acme), page_of(row))
    for text in ("cp from Hello", "file(&#x27;work/a&#x27;).size", "<code>13</code>", "3.0 MiB at most", "work/Hello",
                 "printed Hello", "0.25 s", "exit code 0", "and 2 more", "holds a secret", row.environment.digest):  # fmt: skip
        assert text in html, text


def test_what_a_run_asked_the_network_for_is_shown_to_those_who_see_the_evidence(market: Market) -> None:
    run = run_of("Hello").model_copy(
        update={
            "network": [
                ConnectionSeen(step="write", host="pypi.example", port=443, method="CONNECT", address="203.0.113.7",
                               sent_bytes=512, received_bytes=40_960),
                ConnectionSeen(host="<b>evil", port=80, method="GET", code="not_declared", count=3),
                ConnectionSeen(host="newer.example", port=80, method="GET", code="code_of_a_newer_proxy"),
            ]
        }
    )  # fmt: skip
    path = page_of(proven(market.public, run))
    publisher = market.signed_in(market.acme)
    html = html_of(publisher, path)
    assert_sound(html)
    table = html[html.index("What it asked the network for") :].replace("\xa0", " ")
    for text in ("CONNECT pypi.example:443", "let through", "203.0.113.7", "512 bytes", "40.0 KB", "GET &lt;b&gt;evil:80",
                 "× 3", "refused: the package does not declare it", "code_of_a_newer_proxy"):  # fmt: skip
        assert text in table, text
    publisher.cookies["django_language"] = "ja"
    assert "通した先" in html_of(publisher, path)
    stranger = html_of(Client(), path)
    assert "pypi.example" not in stranger
    assert "What it asked the network for" not in stranger
    without = page_of(proven(market.public, run_of("Hello")))
    assert "What it asked the network for" not in html_of(market.signed_in(market.acme), without)


def test_a_license_opens_the_evidence_and_a_stranger_sees_outcomes_and_durations(market: Market) -> None:
    path = page_of(proven(market.public, run_of("Hello")))
    for client in (Client(), market.signed_in(market.globex)):
        html = html_of(client, path)
        assert "0.25 s" in html
        assert "Write it" in html
        assert "shown to its publisher and to organizations with a license" in html
        for text in ("cp from", "work/Hello", "printed", "<code>13</code>", "MiB at most"):
            assert text not in html, text
    grant = market.grant()
    assert "cp from Hello" in html_of(market.signed_in(market.globex), path)
    market.revoke(grant)
    assert "cp from Hello" not in html_of(market.signed_in(market.globex), path)


def test_the_version_page_tells_a_stranger_nothing_of_what_steps_printed(market: Market) -> None:
    judge(
        market.public, report={"steps": [{"id": "write", "action": "run", "status": "succeeded", "stdout": "PRINTED"}]}
    )
    assert "PRINTED" not in html_of(Client(), f"{EXPERIENCE}/1.0.0")


def test_notes_for_operators_are_not_for_strangers(market: Market) -> None:
    market.public.verifications.update(operator_note="the disk /srv/x is full")
    assert "/srv/x" not in html_of(Client(), f"{EXPERIENCE}/1.0.0")
    assert "/srv/x" in html_of(market.signed_in(market.acme), f"{EXPERIENCE}/1.0.0")


def test_what_two_runs_do_not_share_stands_side_by_side(market: Market) -> None:
    first, second = proven(market.public, run_of("one"), days_ago=1), proven(market.public, run_of("two"))
    html = html_of(market.signed_in(market.acme), page_of(second))
    assert "Not the same as in the run before" in html
    assert page_of(first) in html
    line = next(line for line in html.split("<tr>") if "an output" in line)
    assert line.index("&quot;one&quot;") < line.index("The other") < line.index("&quot;two&quot;")
    assert "an output" in html
    assert "2 runs in exactly this environment, 2 different outcomes." in html
    stranger = html_of(Client(), page_of(second))
    assert "Not the same as" not in stranger
    assert "2 different outcomes" in stranger


def test_runs_that_did_the_same_are_said_to(market: Market) -> None:
    proven(market.public, run_of("one"), days_ago=1)
    html = html_of(market.signed_in(market.acme), page_of(proven(market.public, run_of("one"))))
    assert "All 2 runs in exactly this environment did the same." in html
    assert "Not the same" not in html


def test_the_runs_of_a_flaky_verification_are_compared_with_each_other(market: Market) -> None:
    row = proven(market.public, run_of("one"), run_of("two"), verdict="flaky")
    html = html_of(market.signed_in(market.acme), page_of(row))
    assert "the identical run right after it" in html
    assert "Run 2" in html


def test_hostile_evidence_is_inert(market: Market) -> None:
    first = run_of(HOSTILE)
    proven(market.public, run_of(), days_ago=1)
    html = html_of(market.signed_in(market.acme), page_of(proven(market.public, first, verdict="failed")))
    outline = assert_sound(html)
    assert "<script>alert" not in html
    assert [image for image in outline.all("img") if image.get("src") == "x"] == []


def test_the_attestation_is_a_file_as_it_was_signed(market: Market) -> None:
    row = proven(market.public, run_of())
    response = Client().get(f"{page_of(row)}/attestation")
    assert json.loads(response.content) == row.attestation.envelope
    assert response.headers["Content-Type"] == "application/vnd.dsse.envelope.v1+json"
    name = "acme-write-greeting-1.0.0-debian-12.intoto.json"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'


def test_no_door_leads_to_verifications_of_others_or_of_what_is_hidden(market: Market) -> None:
    row, hidden = proven(market.public, run_of()), proven(market.private, run_of())
    inner = "/experiences/acme/inner-greeting/1.0.0/verifications"
    client = market.signed_in(market.globex)
    for path in (f"{EXPERIENCE}/1.0.0/verifications/{uuid4()}", f"{EXPERIENCE}/1.0.0/verifications/{hidden.pk}",
                 f"{inner}/{hidden.pk}", f"{inner}/{row.pk}", f"{EXPERIENCE}/9.9.9/verifications/{row.pk}"):  # fmt: skip
        assert client.get(path).status_code == 404, path
        assert client.get(f"{path}/attestation").status_code == 404, path
    assert market.signed_in(market.acme).get(f"{inner}/{hidden.pk}").status_code == 200
    waiting = Verification.objects.create(version=market.public, environment_name="debian-13", trigger="age")
    assert client.get(page_of(waiting), follow=True).status_code == 403


# --- strips and the matrix


def test_a_strip_shows_the_last_thirty_verdicts_of_each_environment_and_a_table_the_same(market: Market) -> None:
    verdicts = ["passed", "failed", "flaky", "inconclusive"] * 8
    for number, verdict in enumerate(verdicts):
        last = proven(market.public, verdict=verdict, days_ago=len(verdicts) - number)
    html = html_of(Client(), EXPERIENCE)
    figure = html.split('<figure class="history">')[1].split("</figure>")[0]
    drawing = ET.fromstring(figure[figure.index("<svg") : figure.index("</svg>") + 6])
    links = drawing.findall("a")
    assert len(links) == STRIP_VERDICTS == 30
    assert links[-1].attrib["href"] == page_of(last)
    assert [link.find("title").text.rpartition(": ")[2] for link in links[-4:]] == [
        "Passed", "Failed", "Flaky", "Inconclusive",
    ]  # fmt: skip
    assert drawing.attrib["aria-label"] == "debian-12: 7 of 30 verdicts passed"
    assert figure.count("<tr>") == 31
    assert f'<td class="nowrap"><a href="{page_of(last)}">' in figure


def test_the_matrix_tells_where_it_holds_where_not_and_where_nobody_tried(market: Market) -> None:
    holds = proven(market.public)
    fails = proven(market.public, environment="debian-12-web", verdict="failed")
    aged = proven(market.public, environment="debian-11", days_ago=400)
    other = publish(market.acme, name="other-greeting")
    other.verifications.all().delete()
    Verification.objects.create(version=other, environment_name="debian-12", trigger="age")
    html = html_of(Client(), "/environments")
    head, *lines = html.split("<thead>")[1].split("</table>")[0].split("<tr><th")
    head, *lines = lines
    assert [head.index(name) for name in (">debian-11<", ">debian-12<", ">debian-12-web<")] == sorted(
        head.index(name) for name in (">debian-11<", ">debian-12<", ">debian-12-web<")
    )
    waiting, tried = lines
    assert "acme/other-greeting" in waiting
    assert waiting.count("not tried here") == 4
    assert "Waiting" in waiting
    cells = tried.split("<td>")[1:]
    for cell, row, word in zip(cells, (aged, holds, fails), ("Expired", "Passed", "Failed"), strict=True):
        assert f'href="{page_of(row)}"' in cell
        assert word in cell
    assert "inner-greeting" not in html
    assert "inner-greeting" in html_of(market.signed_in(market.acme), "/environments")
    assert "write-greeting" not in html_of(Client(), "/environments?organization=globex")


def test_the_matrix_goes_on_where_a_page_ends(market: Market) -> None:
    for number in range(MATRIX_EXPERIENCES):
        publish(market.acme, name=f"greeting-{number}")
    first = html_of(Client(), "/environments?organization=acme")
    [query] = {part.split('"')[0] for part in first.split("/environments?")[1:] if "after=" in part.split('"')[0]}
    second = html_of(Client(), "/environments?" + query.replace("&amp;", "&"))
    names = {f"acme/greeting-{number}" for number in range(MATRIX_EXPERIENCES)} | {"acme/write-greeting"}
    assert {name for name in names if f">{name}<" in first} == names - {"acme/write-greeting"}
    assert {name for name in names if f">{name}<" in second} == {"acme/write-greeting"}
    for odd in ("x", "-1", "9" * 40, "%C2%B2"):
        assert Client().get(f"/environments?after={odd}").status_code == 200


def test_versions_and_environments_stand_on_the_page_of_an_experience(market: Market) -> None:
    before = proven(market.public)
    newer = publish(market.acme, version="1.1.0")
    after = proven(newer, verdict="failed")
    html = html_of(Client(), EXPERIENCE)
    assert page_of(before) in html.split("Versions and environments")[1]
    assert page_of(after) in html.split("Versions and environments")[1]


# --- the badge


def badge_at(path: str = "/badges/acme/write-greeting.svg", **headers: str) -> Any:
    return Client().get(path, headers=headers)


@pytest.mark.parametrize(
    ("verdicts", "word"),
    [
        ([], "not verified"),
        ([("debian-12", "passed", 0)], "verified"),
        ([("debian-12", "passed", 0), ("debian-12-web", "failed", 0)], "failing"),
        ([("debian-12", "passed", 0), ("debian-12-web", "flaky", 0)], "flaky"),
        ([("debian-12", "flaky", 0), ("debian-12-web", "failed", 0)], "failing"),
        ([("debian-12", "passed", 400)], "proof expired"),
        ([("debian-12", "failed", 9), ("debian-12", "passed", 0)], "verified"),
        ([("debian-12", "inconclusive", 0)], "not verified"),
        ([("debian-12", "passed", 0), ("debian-12-web", "precondition_unmet", 0)], "verified"),
    ],
)
def test_the_badge_says_what_the_last_verdicts_say(market: Market, verdicts: list[Any], word: str) -> None:
    for environment, verdict, days in verdicts:
        proven(market.public, environment=environment, verdict=verdict, days_ago=days)
    market.public.verifications.exclude(state="done").delete()
    response = badge_at()
    drawing = ET.fromstring(response.content)
    texts = [item.text for item in drawing.iter("{http://www.w3.org/2000/svg}text")]
    title = drawing.find("{http://www.w3.org/2000/svg}title").text
    assert texts == ["Keiken", word]
    assert title == f"Keiken: acme/write-greeting 1.0.0, {word}"
    assert drawing.attrib["aria-label"] == title
    assert response.headers["Content-Type"] == "image/svg+xml"


def test_the_badge_may_stand_on_other_sites_and_is_asked_for_again_only_when_it_changed(market: Market) -> None:
    first = badge_at()
    assert first.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert first.headers["Cache-Control"] == "public, max-age=300"
    assert "default-src 'none'" in first.headers["Content-Security-Policy"]
    assert "Cookie" not in first.headers.get("Vary", "")
    assert first.cookies == {}
    again = badge_at(**{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    proven(market.public)
    changed = badge_at(**{"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_a_private_experience_has_no_badge_not_even_for_its_publisher(market: Market) -> None:
    assert badge_at("/badges/acme/inner-greeting.svg").status_code == 404
    assert market.signed_in(market.acme).get("/badges/acme/inner-greeting.svg").status_code == 404
    assert badge_at("/badges/acme/nothing.svg").status_code == 404
    html = html_of(market.signed_in(market.acme), "/experiences/acme/inner-greeting")
    assert "/badges/" not in html


def test_the_badge_costs_few_queries_and_its_snippet_can_be_copied(market: Market) -> None:
    badge_at()
    with CaptureQueriesContext(connection) as queries:
        badge_at()
    assert len(queries) <= 4
    html = html_of(Client(), EXPERIENCE)
    assert "[![Keiken](http" in html
    assert "/badges/acme/write-greeting.svg)](http" in html


@given(st.text(max_size=30, alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_no_text_breaks_out_of_a_badge(text: str) -> None:
    drawing = ET.fromstring(badge(text, "failed", text, title=text))
    assert [item.text or "" for item in drawing.iter("{http://www.w3.org/2000/svg}text")] == [text, text]
    assert {item.tag.rpartition("}")[2] for item in drawing.iter()} == {"svg", "title", "rect", "path", "g", "text"}
