"""What a marketplace for tests keeps and answers of licenses, reviews and its public log."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from loopback import Answer, Problem, Request

from keiken.trust import SigningKey, merkle, sign
from keiken.trust.checkpoints import Checkpoint, sign_checkpoint
from keiken.trust.licenses import LICENSE_TYPE, REVOCATIONS_TYPE, License, Revocations
from keiken.trust.log import LogProof, envelope_digest, leaf_of

TERMS = "Use it well.\n"
TERMS_SHA256 = hashlib.sha256(TERMS.encode()).hexdigest()
CASE = "3f0c2a52-8d4c-4a55-9b7e-5d8f3c1f2a10"


def now(later: timedelta = timedelta()) -> str:
    return (datetime.now(UTC) + later).isoformat(timespec="seconds")


def payload_of(envelope: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(envelope["payload"]))


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


class Licenses:
    """Of a marketplace, which has ``key``, ``url`` and ``_named``. ``license_changes`` is what a license says otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.is_granted = False
        self.is_offered = True
        self.licenses = 0
        self.license_changes: dict[str, Any] = {}
        self.revoked: dict[str, str] = {}
        self.revoked_at = ""
        self.receipts: list[Any] = []

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


class Reviews:
    """Reports, ratings and complaints."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: dict[str, Any] = {}
        self.ratings: list[Any] = []
        self.voices = 0
        self.complaints: list[Any] = []

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
