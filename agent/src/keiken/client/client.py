"""The HTTP SDK: one method per operation of the marketplace's API, typed results, refusals as exceptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from keiken.client import proof_shapes, shapes
from keiken.client.connection import Connection
from keiken.client.download import Downloaded, download
from keiken.client.references import Reference, server_address
from keiken.client.refusals import strange_answer
from keiken.i18n import _
from keiken.replay.report import Report

S = TypeVar("S", bound=shapes.Shape)
PUBLISH_SECONDS = 120


class Client:
    """A marketplace, spoken to with one API key (or none, as a stranger). Use it in a ``with`` block.

    Every method raises ServerRefusal (exit code 3) with the marketplace's own code, sentence and advice, or
    ServerTrouble (1): ``server_unreachable``, ``server_error``, ``server_answer_malformed`` or ``server_moved``.
    GETs are tried three times; nothing else is ever sent twice.
    """

    def __init__(self, server: str, api_key: str = "", transport: httpx.BaseTransport | None = None) -> None:
        self.server = server_address(server)
        self._connection = Connection(self.server, api_key, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    # --- who and with which keys

    def me(self) -> shapes.Identity:
        return self._get(shapes.Identity, "me")

    def signing_keys(self) -> list[shapes.OfferedKey]:
        """The keys that sign attestations; give them to ``keiken.trust.Pins.accept``."""
        body = self._connection.json("GET", "signing-keys")[1]
        return self._many(shapes.OfferedKey, body, "keys")

    def save_profile(
        self, organization: str, name: str, facts: Mapping[str, Any], *, note: str | None = None
    ) -> tuple[shapes.EnvironmentProfile, bool]:
        """The facts of a machine under a name of the organization's, and whether the name is new."""
        path = f"organizations/{quote(organization, safe='')}/environment-profiles/{quote(name, safe='')}"
        status, body = self._connection.json("PUT", path, json={"facts": dict(facts), "note": note})
        return self._typed(shapes.EnvironmentProfile, body), status == 201

    # --- finding

    def experiences(self, *, cursor: str = "", topic: str = "", organization: str = "") -> shapes.Page:
        query = {"cursor": cursor, "topic": topic, "organization": organization}
        return self._get(shapes.Page, "experiences", params={key: value for key, value in query.items() if value})

    def search(
        self,
        words: str = "",
        *,
        topics: Sequence[str] = (),
        facts: Mapping[str, Any] | None = None,
        fits: bool = False,
        nearly: bool = False,
        filters: Mapping[str, Sequence[str]] | None = None,
        sort: str = "relevance",
        explain: bool = False,
        limit: int = 25,
        cursor: str = "",
    ) -> shapes.FoundPage:
        """What has the words and topics; with ``fits`` only what holds with the ``facts``, each with the reasons.

        ``nearly`` adds what lacks one or two conditions. ``filters`` are by ``environment``, ``action``, ``license``,
        ``price``, ``language``, ``publisher`` and ``verified``; ``sort`` is ``relevance``, ``quality``, ``newest`` or
        ``replayed``.
        """
        wanted = {
            "words": words,
            "topics": list(topics),
            "facts": dict(facts) if facts is not None else None,
            "fits": fits,
            "nearly": nearly,
            "filters": {name: list(values) for name, values in (filters or {}).items()},
            "sort": sort,
            "explain": explain,
            "limit": limit,
            "cursor": cursor or None,
        }
        return self._typed(shapes.FoundPage, self._connection.json("POST", "search", json=wanted)[1])

    def experience(self, reference: Reference) -> shapes.ListingDetail:
        return self._get(shapes.ListingDetail, reference.path)

    def version(self, reference: Reference) -> proof_shapes.Version:
        """The version named, or the latest."""
        return self._get(proof_shapes.Version, reference.version_path)

    def evidence(self, reference: Reference, environment: str = "") -> proof_shapes.EvidenceAnswer:
        """What the last verification in each environment saw; without a license only how each step ended."""
        path = f"{reference.version_path}/evidence"
        return self._get(proof_shapes.EvidenceAnswer, path, params={"environment": environment} if environment else {})

    def progress(self, reference: Reference) -> proof_shapes.ProgressAnswer:
        """The newest verification in each environment and what it is at. For the publisher and licensed ones only."""
        return self._get(proof_shapes.ProgressAnswer, f"{reference.version_path}/progress")

    def frontier(self, reference: Reference) -> proof_shapes.FrontierAnswer:
        """Where the conditions end, as explorations have shown; proposals for the publisher only."""
        return self._get(proof_shapes.FrontierAnswer, f"{reference.version_path}/frontier")

    def request_frontier(self, reference: Reference) -> proof_shapes.FrontierAnswer:
        """Ask for an exploration around every environment of the version."""
        path = f"{reference.version_path}/frontier"
        return self._typed(proof_shapes.FrontierAnswer, self._connection.json("POST", path)[1])

    def accept_proposal(self, reference: Reference, key: str) -> proof_shapes.AcceptedProposal:
        """Publish the proposed condition on this fact as the next version."""
        path = f"{reference.version_path}/frontier/accept"
        return self._typed(proof_shapes.AcceptedProposal, self._connection.json("POST", path, json={"key": key})[1])

    def attestations(self, reference: Reference) -> proof_shapes.Attestations:
        """Unverified: give each ``envelope`` to ``keiken.trust.verify``."""
        return self._get(proof_shapes.Attestations, f"{reference.version_path}/attestations")

    def submit_statement(
        self, reference: Reference, envelope: Mapping[str, Any], public_key: str
    ) -> tuple[proof_shapes.SubmittedStatement, bool]:
        """Add what was seen and signed here to the version. What is stored, and whether it is new."""
        body = {"envelope": dict(envelope), "public_key": public_key}
        path = f"{reference.version_path}/independent-statements"
        status, answer = self._connection.json("POST", path, json=body)
        return self._typed(proof_shapes.SubmittedStatement, answer), status == 201

    def log_checkpoint(self) -> str:
        """The signed note of the public log as it is now, unverified: see ``keiken.trust.checkpoints``."""
        return self._get(proof_shapes.LogCheckpoint, "log/checkpoint").checkpoint

    def log_consistency(self, first: int, second: int) -> list[str]:
        """Hashes in base64 that prove the log of ``first`` entries to be the beginning of that of ``second``."""
        return self._get(
            proof_shapes.LogConsistency, "log/consistency", params={"first": first, "second": second}
        ).hashes

    # --- publishing and fetching

    def publish(
        self, organization: str, archive: bytes, *, visibility: str | None = None
    ) -> tuple[proof_shapes.Version, bool]:
        """The version, and whether it is new: the same bytes again change at most who sees it.

        ``visibility`` None leaves an experience as open as it is; a new one is then public.
        """
        status, body = self._connection.json(
            "POST",
            f"organizations/{quote(organization, safe='')}/versions",
            params={"visibility": visibility} if visibility else {},
            content=archive,
            headers={"Content-Type": "application/gzip"},
            timeout=PUBLISH_SECONDS,
        )
        return self._typed(proof_shapes.Version, body), status == 201

    def download(self, reference: Reference, target: Path, *, digest: str, is_known: bool = False) -> Downloaded:
        """Fetch the package into ``target`` and check its digest. See ``keiken.client.download``."""
        path = f"{reference.version_path}/package"
        return download(self._connection, path, target, digest=digest, is_known=is_known)

    # --- proving again

    def reverification(self, organization: str) -> proof_shapes.ReverificationAnswer:
        """When your organization's experiences are proven again."""
        path = f"organizations/{quote(organization, safe='')}/reverification"
        return self._get(proof_shapes.ReverificationAnswer, path)

    def set_reverification(self, organization: str, wish: Mapping[str, Any]) -> proof_shapes.ReverificationAnswer:
        """Ask for more, for all experiences or for those of the wish's ``topic``; what is left out is not asked for."""
        path = f"organizations/{quote(organization, safe='')}/reverification"
        return self._typed(proof_shapes.ReverificationAnswer, self._connection.json("PUT", path, json=dict(wish))[1])

    # --- licenses

    def offers(self, reference: Reference) -> list[shapes.Offer]:
        body = self._connection.json("GET", f"{reference.path}/offers")[1]
        return self._many(shapes.Offer, body, "results")

    def terms(self, terms_id: str) -> shapes.Terms:
        """The terms with their text."""
        return self._get(shapes.Terms, f"terms/{quote(terms_id, safe='')}")

    def accept(self, offer_id: str, *, terms_sha256: str) -> shapes.Grant:
        """Accept an offer for your organization. ``terms_sha256`` is the hash of exactly the text that was read."""
        path = f"offers/{quote(offer_id, safe='')}/acceptances"
        return self._typed(shapes.Grant, self._connection.json("POST", path, json={"terms_sha256": terms_sha256})[1])

    def order(self, offer_id: str, *, terms_sha256: str, coupon: str = "") -> shapes.Order:
        """Buy an offer for your organization; while it waits for payment, the same order again."""
        path = f"offers/{quote(offer_id, safe='')}/orders"
        body = {"terms_sha256": terms_sha256, "coupon": coupon}
        return self._typed(shapes.Order, self._connection.json("POST", path, json=body)[1])

    def orders(self) -> list[shapes.Order]:
        return self._many(shapes.Order, self._connection.json("GET", "orders")[1], "results")

    def grants(self) -> list[shapes.Grant]:
        return self._many(shapes.Grant, self._connection.json("GET", "grants")[1], "results")

    def license(self, reference: Reference, *, receipt_key: str) -> Any:
        """A signed license of this version for use without the network; None while it is being signed."""
        path = f"{reference.version_path}/license"
        status, body = self._connection.json("POST", path, json={"receipt_key": receipt_key})
        return None if status == 202 else self._envelope(body)

    def revocations(self) -> Any:
        """The signed list of licenses that were taken back."""
        return self._envelope(self._connection.json("GET", "revocations")[1])

    def receipts(self, envelopes: Sequence[Any]) -> list[shapes.ReceiptResult]:
        """Tell of counted replays; each result belongs to the envelope in its place."""
        body = self._connection.json("POST", "receipts", json={"receipts": list(envelopes)})[1]
        return self._many(shapes.ReceiptResult, body, "results")

    def revoke(self, grant_id: str, *, reason: str) -> None:
        """Take a grant back; from the next request on it is over."""
        self._connection.json("DELETE", f"grants/{quote(grant_id, safe='')}", json={"reason": reason})

    # --- the field

    def report(self, reference: Reference, report: Report) -> tuple[shapes.StoredReport, bool]:
        """What is stored, and whether it is new: the same ``replay_id`` again changes nothing."""
        body = report.model_dump(mode="json")
        status, answer = self._connection.json("POST", f"{reference.path}/reports", json=body)
        return self._typed(shapes.StoredReport, answer), status == 201

    def rate(
        self, reference: Reference, *, stars: int, text: str, replay_id: str, answers: Mapping[str, str] | None = None
    ) -> shapes.StoredRating:
        """``answers``: held, described (yes, partly, no) and effort_saved (none, minutes, hours, days)."""
        wanted = {"stars": stars, "text": text, "replay_id": replay_id, **(answers or {})}
        return self._typed(
            shapes.StoredRating, self._connection.json("PUT", f"{reference.path}/rating", json=wanted)[1]
        )

    def ratings(self, reference: Reference, *, cursor: str = "") -> shapes.RatingPage:
        """What organizations say of it that have used it, newest first."""
        return self._get(shapes.RatingPage, f"{reference.path}/ratings", params={"cursor": cursor} if cursor else {})

    def reply(self, rating: int, text: str) -> shapes.StoredRating:
        """The publisher's answer; an empty text takes it back."""
        return self._typed(
            shapes.StoredRating, self._connection.json("PUT", f"ratings/{rating}/reply", json={"text": text})[1]
        )

    def vote_helpful(self, rating: int, *, is_helpful: bool) -> int:
        """How many organizations find it helpful now."""
        method = "PUT" if is_helpful else "DELETE"
        body = self._connection.json(method, f"ratings/{rating}/helpful")[1]
        return self._typed(shapes.HelpfulCount, body).helpful

    def flag(self, reference: Reference, *, reason: str, text: str) -> shapes.Case:
        """Report the experience to the marketplace's reviewers."""
        body = {"reason": reason, "text": text}
        return self._typed(shapes.Case, self._connection.json("POST", f"{reference.path}/abuse-reports", json=body)[1])

    def flag_rating(self, rating: int, *, reason: str, text: str, is_answer: bool = False) -> shapes.Case:
        """Report a rating, or the publisher's answer to it."""
        body = {"reason": reason, "text": text, "part": "reply" if is_answer else "rating"}
        return self._typed(shapes.Case, self._connection.json("POST", f"ratings/{rating}/abuse-reports", json=body)[1])

    def case(self, number: str) -> shapes.Case:
        """What came of a report of yours, or of one about something of yours."""
        return self._get(shapes.Case, f"cases/{quote(number, safe='')}")

    def appeal(self, number: str, text: str) -> shapes.Case:
        path = f"cases/{quote(number, safe='')}/appeal"
        return self._typed(shapes.Case, self._connection.json("POST", path, json={"text": text})[1])

    # --- reading answers

    def _get(self, shape: type[S], path: str, **request: Any) -> S:
        return self._typed(shape, self._connection.json("GET", path, **request)[1])

    def _typed(self, shape: type[S], body: Any) -> S:
        try:
            return shape.model_validate(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise strange_answer(
                self.server, _("'{field}' in its answer: {why}").format(field=where, why=first["msg"])
            ) from None

    def _envelope(self, body: Any) -> Any:
        if not isinstance(body, dict) or "envelope" not in body:
            raise strange_answer(self.server, _("'{field}' in its answer is missing").format(field="envelope"))
        return body["envelope"]

    def _many(self, shape: type[S], body: Any, key: str) -> list[S]:
        """The list itself, or the list under ``key``."""
        found = body.get(key) if isinstance(body, dict) else body
        if not isinstance(found, list):
            raise strange_answer(self.server, _("'{field}' in its answer is no list").format(field=key))
        return [self._typed(shape, item) for item in found]
