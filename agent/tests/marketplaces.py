"""A small marketplace on loopback for tests of the client: real sockets, real signatures, and faults on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from loopback import Answer, Problem, Request, serving
from marketplace_parts import Licenses, Log, Reviews, payload_of

from keiken.package import digest, unpack
from keiken.trust import SigningKey, Verified, sign, verification_statement
from keiken.trust.log import envelope_digest
from keiken.trust.statements import EXTENSION
from keiken.trust.summaries import Summarized, summary_statement

KEY = "kk_abcdefghij_ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdef"
ENVIRONMENT_DIGEST = "sha256:" + "e" * 64


class Marketplace(Licenses, Reviews):
    """``faults`` maps ``"GET /path"`` to answers that are given first, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.key = SigningKey.generate()
        self.offered_keys = [self.offer(self.key)]
        self.requests: list[Request] = []
        self.faults: dict[str, list[Answer]] = {}
        self.versions: dict[tuple[str, str, str], bytes] = {}
        self.attestations: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        self.proofs: list[Any] = []
        self.progress_told: list[list[Any]] = [[]]
        self.policies: list[Any] = []
        self.frontier: dict[str, Any] = {"explorations": [], "proposals": []}
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

    def save_profile(self, request: Request, organization: str, name: str) -> Answer:
        is_new = (organization, name) not in self.profiles
        self.profiles[organization, name] = request.json
        return Answer(201 if is_new else 200, {"name": name, **request.json, "note": request.json["note"] or ""})


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
