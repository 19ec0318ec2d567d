"""Fifty texts that want to run, in every field of every form and of every package: they stay texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.core.cache import cache
from django.test import Client

from experiences.models import Version
from marketplace.models import ReplayReport
from tests import factories
from tests.browser.conftest import PATIENCE_SECONDS, Site
from tests.browser.forms import Form, forms_of
from tests.browser.hostile import TEXTS
from tests.browser.table import VISITS
from tests.marketplace.conftest import judge, publish, report_of
from tests.marketplace.test_pages import Outline

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

LISTEN = """
  window.keikenRan = [];
  window.ran = (number) => window.keikenRan.push(number);
  window.alert = window.prompt = window.confirm = window.print = window.ran;
"""
NEVER = ("iframe", "object", "embed", "base", "frame", "applet", "style", "math")
DATA = ("application/ld+json", "application/json")
"""Scripts of these types hold data that no browser runs."""
TOGETHER = 5
ADDRESSES = ("href", "src", "action", "formaction", "xlink:href", "data", "poster", "srcdoc", "srcset")


def living(html: str) -> list[str]:
    """What of the page could run and is not ours."""
    found = []
    for tag, attributes in Outline(html).tags:
        said = f"<{tag} {attributes}>"[:200]
        if tag in NEVER or (tag == "meta" and "javascript" in str(attributes.get("content"))):
            found.append(said)
        if tag == "script" and not str(attributes.get("src")).startswith("/static/"):
            found += [] if attributes.get("type") in DATA else [said]
        for name, value in attributes.items():
            address = "".join(str(value).split()).lower()
            if name.startswith(("on", "hx-on")) or name in ("style", "srcdoc"):
                found.append(said)
            if name in ADDRESSES and address.startswith(("javascript:", "vbscript:", "data:text")):
                found.append(said)
    return found


def test_the_check_itself_sees_each_of_the_texts_when_a_page_does_not_escape_them() -> None:
    quiet = [
        text for text in TEXTS if not living(f"<p title=x>{text}</p>") and "<" in text and "javascript" not in text
    ]
    attributes = [text for text in TEXTS if text.startswith(('"', "'"))]
    assert [
        text for text in attributes if not living(f'<input value="{text}">') and not living(f"<b title='{text}'>")
    ] == []
    assert len(quiet) <= 8, quiet


def fill(form: Form, group: int, *, is_valid: bool) -> dict[str, str]:
    """Five of the texts in each field, others in each; or one, and in fields that ask for a shape, that shape."""
    sent = dict(form.kept)
    for place, (name, kind) in enumerate(form.texts.items()):
        first = (TOGETHER * (group + place)) % len(TEXTS)
        texts = TEXTS[first : first + TOGETHER]
        shaped = {
            "slug": f"shaped-{group}",
            "pattern": f"shaped-{group}",
            "email": f"shaped-{group}@example.com",
            "url": f"https://shaped.example/{group}",
            "number": "1",
            "facts": json.dumps({"os.id": texts[0], "os.family": "linux"}),
        }
        kind = name if name in shaped else kind
        sent[name] = shaped.get(kind, texts[group % TOGETHER]) if is_valid else " ".join(texts)
    return sent


def send(client: Client, form: Form, sent: dict[str, str]) -> Any:
    cache.clear()  # else the sixth wrong password is only told to wait
    ask = client.post if form.method == "post" else client.get
    return ask(form.action.split("#")[0], sent)


def all_forms(site: Site) -> Iterator[tuple[Client, Form]]:
    known = set()
    for visit in VISITS:
        person, path = site.world.people[visit.who], site.world.address(visit.path)
        client = site.client(person)
        for form in forms_of(client.get(path).content.decode(), path):
            if form.shape not in known:
                known.add(form.shape)
                yield client, form


def hostile_package(site: Site) -> Version:
    """One version with all fifty wherever a package may hold a text."""
    skill = "---\nname: hostile\ndescription: {}\nlicense: Apache-2.0\n---\n\n# Hostile\n\n{}\n"
    steps = [
        {
            "id": f"s{number}",
            "title": text,
            "file": {"write": "work/a", "content": text},
            "expect": [f"file('work/a').text != {json.dumps(text)}"],
        }
        for number, text in enumerate(TEXTS)
    ]
    parameters = {
        f"p{number}": {"type": "string", "description": text, "default": text, "examples": [text]}
        for number, text in enumerate(TEXTS)
    }
    version = publish(
        site.world.market.acme,
        name="hostile",
        title=" ".join(TEXTS[:3]),
        topics=["text"],
        skill=skill.format(json.dumps(" ".join(TEXTS[3:8])), "\n\n".join(TEXTS)),
        steps=steps,
        parameters=parameters,
        conditions={"os.family": "linux"},
        permissions={"commands": [], "write": ["work/**"]},
        scenarios=[{"name": text} for text in TEXTS[:10]],
    )
    seen = [
        {**report_of(version)["steps"][0], "id": f"s{number}", "stdout": text, "reason": text, "command": text}
        for number, text in enumerate(TEXTS)
    ]
    judge(version, "failed", reason=" ".join(TEXTS), report={"steps": seen})
    return version


def test_fifty_hostile_texts_in_every_field_run_nowhere(live_site: Site) -> None:
    version = hostile_package(live_site)
    report_hostile_replay(live_site, version)
    tried = 0
    for client, form in all_forms(live_site):
        for group in range(len(TEXTS) // TOGETHER):
            for is_valid in (False, True):
                answer = send(client, form, fill(form, group, is_valid=is_valid))
                assert answer.status_code < 500, (form, group)
                assert living(answer.content.decode()) == [], (form, group)
        tried += 1
    assert tried >= 20
    look_at_everything(live_site, version)


def report_hostile_replay(site: Site, version: Version) -> None:
    key = factories.agent_key(site.world.market.acme)
    report = report_of(version, outcome="diverged")
    report["steps"][0] |= {"stdout": " ".join(TEXTS[:20]), "reason": TEXTS[0], "command": TEXTS[1]}
    report["facts"] |= {"os.id": TEXTS[0], "os.version": TEXTS[13], "host.name": TEXTS[5]}
    url = f"{site.url}/api/v1/experiences/acme/hostile/reports"
    answer = httpx.post(url, json=report, headers=key.headers, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 201, answer.text
    assert ReplayReport.objects.filter(version=version).count() == 1


def look_at_everything(site: Site, version: Version) -> None:
    """All pages once more, in the browser, with all that was kept."""
    pages = [(visit.who, site.world.address(visit.path)) for visit in VISITS]
    proof = version.verifications.filter(state="done").get().pk
    hostile = "/experiences/acme/hostile"
    pages += [("publisher", path) for path in (hostile, f"{hostile}/1.0.0", f"{hostile}/1.0.0/verifications/{proof}")]
    pages += [("stranger", f"/browse?q={text}".replace("#", "%23")) for text in TEXTS[:5]]
    for who in {who for who, _path in pages}:
        context = site.context(site.world.people[who])
        context.add_init_script(LISTEN)
        page = context.new_page()
        for path in dict.fromkeys(path for other, path in pages if other == who):
            page.goto(path, wait_until="load")
            seen = (page.evaluate("window.keikenRan"), page.evaluate("window.keikenSeen.violations"))
            assert seen == ([], []), path
            assert living(page.content()) == [], path
        context.close()
