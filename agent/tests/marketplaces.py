"""A small marketplace on loopback for tests of the client: real sockets, real signatures, and faults on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from loopback import Answer, Problem, Request, serving

from keiken.package import digest, pack, unpack
from keiken.trust import SigningKey, Verified, merkle, sign, verification_statement
from keiken.trust.checkpoints import Checkpoint, sign_checkpoint
from keiken.trust.licenses import LICENSE_TYPE, REVOCATIONS_TYPE, License, Revocations
from keiken.trust.log import LogProof, envelope_digest, leaf_of
from keiken.trust.statements import EXTENSION
from keiken.trust.summaries import Summarized, summary_statement

KEY = "kk_abcdefghij_ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdef"
TERMS = "Use it well.\n"
TERMS_SHA256 = hashlib.sha256(TERMS.encode()).hexdigest()
CASE = "3f0c2a52-8d4c-4a55-9b7e-5d8f3c1f2a10"
ENVIRONMENT_DIGEST = "sha256:" + "e" * 64

MANIFEST: dict[str, Any] = {
    "experience": "1",
    "name": "write-greeting",
    "version": "1.0.0",
    "title": "Write a greeting",
    "license": "Apache-2.0",
    "conditions": {"os.family": "linux"},
    "parameters": {"who": {"type": "string", "maxLength": 40, "default": "world"}},
    "permissions": {"commands": ["cp"], "write": ["work/**"]},
    "steps": [
        {
            "id": "write",
            "title": "Write it",
            "file": {"write": "work/draft.txt", "content": "Hello, ${{ parameters.who }}\n"},
            "expect": ["file('work/draft.txt').exists"],
        },
        {
            "id": "copy",
            "run": ["cp", "work/draft.txt", "work/greeting.txt"],
            "expect": ["result.exit_code == 0", "file('work/greeting.txt').text.startsWith('Hello, ')"],
        },
    ],
    "scenarios": [
        {"name": "greets", "environments": ["local"], "parameters": {"who": "Keiko"}},
        {
            "name": "refuses another family",
            "environments": ["local"],
            "facts": {"os.family": "plan9"},
            "outcome": "refused",
        },
    ],
}


def now(later: timedelta = timedelta()) -> str:
    return (datetime.now(UTC) + later).isoformat(timespec="seconds")


def write_package(folder: Path, **manifest: Any) -> Path:
    """A valid package; keyword arguments replace parts of the manifest."""
    document = {**MANIFEST, **manifest}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experience.yaml").write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
    skill = f"---\nname: {document['name']}\ndescription: Writes a greeting.\nlicense: Apache-2.0\n---\n\n# Greet\n"
    (folder / "SKILL.md").write_text(skill)
    return folder


class Log:
    """A public log, kept as a real one; ``rewrite`` is what a real one must never do."""

    def __init__(self) -> None:
        self.leaves: list[str] = []
        self.digests: list[str] = []
        self.nodes: dict[tuple[int, int], bytes] = {}

    def append(self, kind: str, envelope: Any) -> None:
        self.digests.append(envelope_digest(envelope))
        self._add(leaf_of(kind=kind, digest=self.digests[-1], logged_at=now()))

    def _add(self, leaf: str) -> None:
        found = merkle.completed_by(len(self.leaves), merkle.leaf_hash(leaf.encode()), self.lookup)
        self.nodes |= {(level, place): value for level, place, value in found}
        self.leaves.append(leaf)

    def lookup(self, level: int, place: int) -> bytes:
        return self.nodes[level, place]

    def rewrite(self, index: int) -> None:
        """Another entry in the place of this one, and every hash made to fit."""
        leaves, self.leaves, self.nodes = self.leaves, [], {}
        for number, leaf in enumerate(leaves):
            self._add(leaf.replace("attestation", "rewritten") if number == index else leaf)

    def checkpoint(self, key: SigningKey) -> str:
        root = merkle.root(len(self.leaves), self.lookup)
        return sign_checkpoint(Checkpoint("keiken.test/log", len(self.leaves), root), key)

    def proof(self, envelope: Any) -> dict[str, Any]:
        index = self.digests.index(envelope_digest(envelope))
        hashes = merkle.inclusion_proof(index, len(self.leaves), self.lookup)
        return LogProof(index, self.leaves[index], tuple(hashes)).document()

    def consistency(self, first: int, second: int) -> list[str]:
        return [base64.b64encode(item).decode() for item in merkle.consistency_proof(first, second, self.lookup)]


class Marketplace:
    """``faults`` maps ``"GET /path"`` to answers that are given first, one after the other."""

    def __init__(self) -> None:
        self.key = SigningKey.generate()
        self.offered_keys = [self.offer(self.key)]
        self.requests: list[Request] = []
        self.faults: dict[str, list[Answer]] = {}
        self.versions: dict[tuple[str, str, str], bytes] = {}
        self.attestations: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        self.is_granted = False
        self.proofs: list[Any] = []
        self.progress_told: list[list[Any]] = [[]]
        self.policies: list[Any] = []
        self.frontier: dict[str, Any] = {"explorations": [], "proposals": []}
        self.is_offered = True
        self.licenses = 0
        self.license_changes: dict[str, Any] = {}
        self.revoked: dict[str, str] = {}
        self.revoked_at = ""
        self.receipts: list[Any] = []
        self.reports: dict[str, Any] = {}
        self.ratings: list[Any] = []
        self.voices = 0
        self.complaints: list[Any] = []
        self.profiles: dict[tuple[str, str], Any] = {}
        self.log = Log()
        self.independent: list[dict[str, Any]] = []
        self.summaries: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.url = ""

    def offer(self, key: SigningKey, signed_by: Any = None) -> dict[str, Any]:
        return {"key_id": key.public.key_id, "public_key": key.public.as_base64(), "signed_by": signed_by}

    def publish(self, archive: bytes, folder: Path, organization: str = "acme") -> str:
        manifest = unpack(archive, folder).manifest
        self.versions[organization, manifest.name, manifest.version] = archive
        return f"{organization}/{manifest.name}@{manifest.version}"

    def attest(
        self,
        reference: str,
        verdict: str = "passed",
        environment: str = "debian-12",
        at: datetime | None = None,
        key: SigningKey | None = None,
        package_digest: str = "",
        valid_days: int | None = None,
    ) -> dict[str, Any]:
        """Sign and keep a statement about a published version."""
        place = self._place(reference)
        verified = Verified(
            reference=reference,
            package_digest=package_digest or digest(self.versions[place]),
            verdict=verdict,
            environment=environment,
            environment_digest=ENVIRONMENT_DIGEST,
            facts={"os.id": "debian"},
            driver="bubblewrap",
            isolation="namespace",
            replayer="keiken 0.1.0",
            scenarios={"greets": verdict},
            trigger="publish",
            attempt=1,
            verified_at=at or datetime.now(UTC),
            valid_until=(at or datetime.now(UTC)) + timedelta(days=valid_days) if valid_days else None,
        )
        envelope = sign(verification_statement(verified), key or self.key)
        self.keep(reference, envelope)
        return envelope

    def keep(self, reference: str, envelope: dict[str, Any]) -> None:
        """Log a signed statement, and summarize all of its version."""
        place = self._place(reference)
        self.attestations.setdefault(place, []).insert(0, envelope)
        self.log.append("attestation", envelope)
        digest = payload_of(envelope)["subject"][0]["digest"]["sha256"]
        self._summarize(place, reference, f"sha256:{digest}")

    def _summarize(self, place: tuple[str, str, str], reference: str, package_digest: str) -> None:
        newest: dict[str, tuple[str, Any]] = {}
        for envelope in self.attestations[place]:
            extension = payload_of(envelope)["predicate"][EXTENSION]
            known = newest.get(extension["environment"])
            if known is None or known[1]["timeVerified"] < extension["timeVerified"]:
                newest[extension["environment"]] = envelope_digest(envelope), extension
        statement = summary_statement(
            Summarized(
                reference=reference,
                package_digest=package_digest,
                resource=f"{self.url}/{reference}",
                verifier=self.url,
                replayer="0.1.0",
                is_passing=all(extension["verdict"] == "passed" for _digest, extension in newest.values()),
                policy=f"{self.url}/policy",
                policy_digest=ENVIRONMENT_DIGEST,
                inputs={digest: "" for digest, _extension in newest.values()},
                environments={name: extension["verdict"] for name, (_digest, extension) in newest.items()},
                verified_at=datetime.now(UTC),
                valid_until=datetime.now(UTC) + timedelta(days=30),
            )
        )
        self.summaries[place] = sign(statement, self.key)
        self.log.append("summary", self.summaries[place])

    @staticmethod
    def _place(reference: str) -> tuple[str, str, str]:
        experience, _at, version = reference.partition("@")
        organization, _slash, name = experience.partition("/")
        return organization, name, version

    def paths(self, method: str = "") -> list[str]:
        """The paths that were asked for, without the API's prefix."""
        found = [request for request in self.requests if method in ("", request.method)]
        return [request.path.removeprefix("/api/v1/") for request in found]

    # --- answering

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        prepared = self.faults.get(f"{request.method} {request.path.removeprefix('/api/v1')}")
        if prepared:
            return prepared.pop(0)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            raise Problem(401, "key_unknown")
        parts = request.path.removeprefix("/api/v1/").split("/")
        for method, pattern, view in ROUTES:
            found = _match(pattern, parts)
            if method == request.method and found is not None:
                return view(self, request, *found)
        raise Problem(404, "not_found")

    def me(self, _request: Request) -> Answer:
        return Answer(
            body={
                "principal": {"kind": "agent", "name": "tester"},
                "organization": {"slug": "globex", "name": "Globex"},
                "scopes": ["read", "download"],
                "server": {"name": "Keiken", "signing_keys_url": f"{self.url}/api/v1/signing-keys"},
            }
        )

    def keys(self, _request: Request) -> Answer:
        return Answer(body={"keys": self.offered_keys})

    def post_version(self, request: Request, organization: str) -> Answer:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            reference = self.publish(request.body, Path(folder) / "p", organization)
        place = self._place(reference)
        return Answer(201, self._version(place))

    def _listing(self, place: tuple[str, str, str]) -> dict[str, Any]:
        organization, name, version = place
        return {
            "organization": organization,
            "name": name,
            "title": "Write a greeting",
            "summary": "",
            "topics": [],
            "visibility": "public",
            "license": "Apache-2.0",
            "latest_version": version,
            "verification": {"status": "verified"},
            "rating": {"mean": None, "count": 0},
        }

    def _latest(self, organization: str, name: str) -> tuple[str, str, str]:
        found = [place for place in self.versions if place[:2] == (organization, name)]
        if not found:
            raise Problem(404, "not_found")
        return max(found)

    def _version(self, place: tuple[str, str, str]) -> dict[str, Any]:
        archive = self.versions[place]
        return {
            "organization": place[0],
            "name": place[1],
            "version": place[2],
            "digest": digest(archive),
            "size": len(archive),
            "published_at": "2026-11-23T12:00:00Z",
            "manifest": {},
            "skill": {},
            "verifications": [],
        }

    def _named(self, organization: str, name: str, version: str) -> tuple[str, str, str]:
        place = self._latest(organization, name) if version == "latest" else (organization, name, version)
        if place not in self.versions:
            raise Problem(404, "not_found")
        return place

    def search(self, request: Request) -> Answer:
        wanted = request.json
        fit = {"status": "holds", "findings": []} if wanted["facts"] else None
        reasons = [{"word": word, "term": word, "where": ["title"]} for word in wanted["words"].split()]
        results = [{**self._listing(place), "fit": fit, "reasons": reasons} for place in self.versions]
        facets = {"topic": [{"value": "text", "count": len(results)}], "price": []}
        return Answer(body={"results": results, "next": None, "total": len(results), "facets": facets})

    def experience(self, _request: Request, organization: str, name: str) -> Answer:
        place = self._latest(organization, name)
        detail = {
            **self._listing(place),
            "versions": [],
            "offers": self._offers(),
            "granted": self.is_granted,
            "conditions": ["os.family = linux"],
            "permissions": {"commands": ["cp"], "write": ["work/**"], "network": [], "tools": []},
            "parameters": {"who": {"type": "string", "default": "world"}},
            "steps": [{"id": "write", "action": "file", "title": "Write it"}],
        }
        return Answer(body=detail)

    def version(self, _request: Request, organization: str, name: str, version: str) -> Answer:
        return Answer(body=self._version(self._named(organization, name, version)))

    def statements(self, _request: Request, organization: str, name: str, version: str) -> Answer:
        place = self._named(organization, name, version)
        items = [
            {"id": str(n), "envelope": envelope, "log": self.log.proof(envelope)}
            for n, envelope in enumerate(self.attestations.get(place, []))
        ]
        summary = self.summaries.get(place)
        body = {
            "digest": digest(self.versions[place]),
            "attestations": items,
            "summary": {"id": "s", "envelope": summary, "log": self.log.proof(summary)} if summary else None,
            "independent": [{**item, "log": self.log.proof(item["envelope"])} for item in self.independent],
            "checkpoint": self.log.checkpoint(self.key) if self.log.leaves else "",
        }
        return Answer(body=body)

    def take_statement(self, request: Request, _organization: str, _name: str, _version: str) -> Answer:
        envelope = request.json["envelope"]
        self.independent.append({"id": "i", "organization": "globex", **request.json})
        self.log.append("independent", envelope)
        verdict = payload_of(envelope)["predicate"][EXTENSION]["verdict"]
        return Answer(201, {"id": "i", "digest": envelope_digest(envelope), "verdict": verdict})

    def checkpoint(self, _request: Request) -> Answer:
        return Answer(body={"checkpoint": self.log.checkpoint(self.key)})

    def consistency(self, request: Request) -> Answer:
        first, second = int(request.query["first"][0]), int(request.query["second"][0])
        return Answer(body={"hashes": self.log.consistency(first, second)})

    def evidence(self, _request: Request, organization: str, name: str, version: str) -> Answer:
        place = self._named(organization, name, version)
        return Answer(body={"digest": digest(self.versions[place]), "is_full": self.is_granted, "proofs": self.proofs})

    def reverification(self, request: Request, _organization: str) -> Answer:
        if request.method == "PUT":
            others = [policy for policy in self.policies if policy["topic"] != request.json["topic"]]
            self.policies = others + ([request.json] if set(request.json) != {"topic"} else [])
        site = {"max_age_days": 30, "diverging_reports": 2, "on_environment_change": True, "request_minutes": 10}
        return Answer(body={"site": site, "bounds": {}, "policies": self.policies})

    def progress(self, _request: Request, organization: str, name: str, version: str) -> Answer:
        """What a test put there to be told next; the last one again and again."""
        place = self._named(organization, name, version)
        told = self.progress_told.pop(0) if len(self.progress_told) > 1 else self.progress_told[0]
        return Answer(body={"digest": digest(self.versions[place]), "verifications": told})

    def conditions_tried(self, request: Request, organization: str, name: str, version: str) -> Answer:
        place = self._named(organization, name, version)
        body = {"digest": digest(self.versions[place]), "is_full": True, **self.frontier}
        return Answer(202 if request.method == "POST" else 200, body)

    def accept_proposal(self, request: Request, organization: str, name: str, version: str) -> Answer:
        place, wanted = self._named(organization, name, version), request.json["key"]
        if wanted not in [proposal["key"] for proposal in self.frontier["proposals"]]:
            raise Problem(409, "proposal_gone")
        return Answer(201, {"version": "1.0.1", "digest": digest(self.versions[place])})

    def package(self, request: Request, organization: str, name: str, version: str) -> Answer:
        archive = self.versions[self._named(organization, name, version)]
        if not self.is_granted:
            raise Problem(403, "license_required", offers=self._offers())
        headers = {"Keiken-Digest": digest(archive), "Keiken-License": "grant-1"}
        if request.headers.get("if-none-match") == f'"{digest(archive)}"':
            return Answer(304, b"", headers)
        return Answer(200, archive, headers, "application/gzip")

    def _terms(self) -> dict[str, Any]:
        return {
            "id": "terms-1",
            "name": "house-terms",
            "version": 2,
            "kind": "custom",
            "spdx": "",
            "text_sha256": TERMS_SHA256,
            "uses": ["replay"],
            "text_url": "/api/v1/terms/terms-1",
        }

    def _offers(self) -> list[Any]:
        return [{"id": "offer-1", "kind": "free", "terms": self._terms(), "grant_days": 30}] if self.is_offered else []

    def offers(self, _request: Request, _organization: str, _name: str) -> Answer:
        return Answer(body=self._offers())

    def terms(self, _request: Request, _terms: str) -> Answer:
        return Answer(body={**self._terms(), "text": TERMS})

    def _grant(self) -> dict[str, Any]:
        return {
            "id": "grant-1",
            "organization": "globex",
            "experience": "acme/write-greeting",
            "starts_at": "2026-11-23T12:00:00Z",
            "ends_at": "2999-12-23T12:00:00Z",
            "revoked_at": None,
            "uses": ["replay"],
        }

    def license(self, request: Request, organization: str, name: str, version: str) -> Answer:
        """Signed like the real one; ``license_changes`` are what it says otherwise."""
        place = self._named(organization, name, version)
        if not self.is_granted:
            raise Problem(403, "license_required", offers=self._offers())
        self.licenses += 1
        license = License(
            **{
                "id": f"license-{self.licenses}",
                "server": self.url,
                "organization": "globex",
                "holder": "tester",
                "experience": f"{place[0]}/{place[1]}",
                "versions": "",
                "grant": "grant-1",
                "uses": ("replay",),
                "issued_at": now(),
                "expires_at": now(timedelta(days=30)),
                "grant_ends_at": "",
                "revocations_max_age_seconds": 3 * 24 * 3600,
                "counted": False,
                "month": now()[:7],
                "replays_left": None,
                "receipt_key": request.json["receipt_key"],
                **self.license_changes,
            }
        )
        return Answer(body={"envelope": sign(license.document(), self.key, LICENSE_TYPE)})

    def revocations(self, _request: Request) -> Answer:
        listed = Revocations(number=1, issued_at=self.revoked_at or now(), grants=self.revoked)
        return Answer(body={"envelope": sign(listed.document(), self.key, REVOCATIONS_TYPE)})

    def take_receipts(self, request: Request) -> Answer:
        told = [payload_of(envelope) for envelope in request.json["receipts"]]
        self.receipts += told
        return Answer(body={"results": [{"replay_id": item["replay_id"], "is_counted": True} for item in told]})

    def save_profile(self, request: Request, organization: str, name: str) -> Answer:
        is_new = (organization, name) not in self.profiles
        self.profiles[organization, name] = request.json
        return Answer(201 if is_new else 200, {"name": name, **request.json, "note": request.json["note"] or ""})

    def accept(self, request: Request, _offer: str) -> Answer:
        if request.json != {"terms_sha256": TERMS_SHA256}:
            raise Problem(409, "terms_changed")
        self.is_granted = True
        return Answer(201, self._grant())

    def grants(self, _request: Request) -> Answer:
        return Answer(body=[self._grant()] if self.is_granted else [])

    def revoke(self, _request: Request, _grant: str) -> Answer:
        self.is_granted = False
        return Answer(body=self._grant())

    def report(self, request: Request, _organization: str, _name: str) -> Answer:
        replay_id = request.json["replay_id"]
        is_new = replay_id not in self.reports
        self.reports[replay_id] = request.json
        return Answer(201 if is_new else 200, {"id": str(uuid.uuid5(uuid.NAMESPACE_OID, replay_id))})

    def rate(self, request: Request, _organization: str, _name: str) -> Answer:
        if request.json["replay_id"] not in self.reports:
            raise Problem(403, "replay_not_reported")
        self.ratings.append(request.json)
        return Answer(body=self._rating(request.json))

    def _rating(self, said: dict[str, Any]) -> dict[str, Any]:
        told = {"os_id": "debian", "os_version": "12", "environment": ""}
        return {"id": 7, "organization": "globex", "major": 1, "used_in": told, "helpful": 0, "reply": None, **said}

    def list_ratings(self, _request: Request, _organization: str, _name: str) -> Answer:
        return Answer(body={"results": [self._rating(said) for said in self.ratings], "next": None, "previous": None})

    def reply(self, request: Request, _number: str) -> Answer:
        text = request.json["text"]
        return Answer(body={**self._rating(self.ratings[-1]), "reply": {"text": text, "at": now()} if text else None})

    def vote(self, request: Request, _number: str) -> Answer:
        self.voices += 1 if request.method == "PUT" else -1
        return Answer(body={"helpful": self.voices})

    def flag(self, request: Request, *_where: str) -> Answer:
        self.complaints.append(request.json)
        return Answer(201, {"id": CASE, "subject": "listing", "state": "open", "outcome": None, "reason": None})

    def tell_case(self, request: Request, _number: str) -> Answer:
        if request.method == "POST":
            return Answer(body={"id": CASE, "subject": "listing", "state": "appealed", "outcome": "hidden"})
        decided = {"state": "decided", "outcome": "hidden", "reason": "spam", "statement": "An advertisement."}
        return Answer(body={"id": CASE, "subject": "listing", **decided})


View = Callable[..., Answer]
ROUTES: list[tuple[str, str, View]] = [
    ("GET", "me", Marketplace.me),
    ("GET", "signing-keys", Marketplace.keys),
    ("POST", "organizations/*/versions", Marketplace.post_version),
    ("PUT", "organizations/*/environment-profiles/*", Marketplace.save_profile),
    ("POST", "search", Marketplace.search),
    ("GET", "experiences/*/*", Marketplace.experience),
    ("GET", "experiences/*/*/versions/*", Marketplace.version),
    ("GET", "experiences/*/*/versions/*/attestations", Marketplace.statements),
    ("GET", "experiences/*/*/versions/*/evidence", Marketplace.evidence),
    ("GET", "experiences/*/*/versions/*/progress", Marketplace.progress),
    ("GET", "organizations/*/reverification", Marketplace.reverification),
    ("PUT", "organizations/*/reverification", Marketplace.reverification),
    ("GET", "experiences/*/*/versions/*/frontier", Marketplace.conditions_tried),
    ("POST", "experiences/*/*/versions/*/frontier", Marketplace.conditions_tried),
    ("POST", "experiences/*/*/versions/*/frontier/accept", Marketplace.accept_proposal),
    ("POST", "experiences/*/*/versions/*/independent-statements", Marketplace.take_statement),
    ("GET", "log/checkpoint", Marketplace.checkpoint),
    ("GET", "log/consistency", Marketplace.consistency),
    ("GET", "experiences/*/*/versions/*/package", Marketplace.package),
    ("GET", "experiences/*/*/offers", Marketplace.offers),
    ("GET", "terms/*", Marketplace.terms),
    ("POST", "offers/*/acceptances", Marketplace.accept),
    ("POST", "experiences/*/*/versions/*/license", Marketplace.license),
    ("GET", "revocations", Marketplace.revocations),
    ("POST", "receipts", Marketplace.take_receipts),
    ("GET", "grants", Marketplace.grants),
    ("DELETE", "grants/*", Marketplace.revoke),
    ("POST", "experiences/*/*/reports", Marketplace.report),
    ("PUT", "experiences/*/*/rating", Marketplace.rate),
    ("GET", "experiences/*/*/ratings", Marketplace.list_ratings),
    ("PUT", "ratings/*/reply", Marketplace.reply),
    ("PUT", "ratings/*/helpful", Marketplace.vote),
    ("DELETE", "ratings/*/helpful", Marketplace.vote),
    ("POST", "experiences/*/*/abuse-reports", Marketplace.flag),
    ("POST", "ratings/*/abuse-reports", Marketplace.flag),
    ("GET", "cases/*", Marketplace.tell_case),
    ("POST", "cases/*/appeal", Marketplace.tell_case),
]


def _match(pattern: str, parts: list[str]) -> list[str] | None:
    wanted = pattern.split("/")
    if len(wanted) != len(parts) or any(w not in ("*", p) for w, p in zip(wanted, parts, strict=True)):
        return None
    return [part for word, part in zip(wanted, parts, strict=True) if word == "*"]


@contextmanager
def running() -> Iterator[Marketplace]:
    """A marketplace that listens on a port of its own."""
    marketplace = Marketplace()
    with serving(marketplace.answer) as marketplace.url:
        yield marketplace


def archive_of(folder: Path) -> bytes:
    return pack(folder)


def flipped(content: bytes, position: int, bit: int = 0) -> bytes:
    changed = bytearray(content)
    changed[position] ^= 1 << bit
    return bytes(changed)


def payload_of(envelope: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(envelope["payload"]))
