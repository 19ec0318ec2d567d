"""What a marketplace answers, typed. Fields that a newer one adds are kept as they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    # A command needs few of them: each is built when it is first used.
    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    def as_json(self) -> dict[str, Any]:
        """JSON-ready, with everything the marketplace sent."""
        return self.model_dump(mode="json")


class Principal(Shape):
    kind: Literal["person", "agent"]
    name: str


class OrganizationName(Shape):
    slug: str
    name: str = ""


class Identity(Shape):
    """Whose key it is."""

    principal: Principal
    organization: OrganizationName | None = None
    """None for a person who belongs to none."""
    scopes: list[str] = Field(default_factory=list)


class EnvironmentProfile(Shape):
    """The facts of a machine as an organization keeps them."""

    name: str
    note: str = ""
    facts: dict[str, Any]


class OfferedKey(Shape):
    key_id: str
    public_key: str
    signed_by: dict[str, Any] | None = None


class Rating(Shape):
    mean: float | None = None
    count: int = 0


class VerificationStatus(Shape):
    status: str


class Finding(Shape):
    condition: str
    status: Literal["holds", "fails", "unknown"]
    found: Any = None


class Fit(Shape):
    status: Literal["holds", "fails", "unknown"]
    findings: list[Finding] = Field(default_factory=list)


class Listing(Shape):
    """One experience as lists show it; ``fit`` only where facts were sent."""

    organization: str
    name: str
    title: str = ""
    summary: str = ""
    topics: list[str] = Field(default_factory=list)
    visibility: str = ""
    license: str | None = None
    latest_version: str | None = None
    verification: VerificationStatus = VerificationStatus(status="unverified")
    rating: Rating = Rating()
    fit: Fit | None = None


class Page(Shape):
    results: list[Listing]
    next: str | None = None
    previous: str | None = None


class FoundReason(Shape):
    """A word that was asked for, the term it was found as, and the parts of the listing it stands in."""

    word: str
    term: str = ""
    where: list[str] = Field(default_factory=list)


class Found(Listing):
    reasons: list[FoundReason] = Field(default_factory=list)


class FacetValue(Shape):
    value: str
    count: int


class FoundPage(Shape):
    """``total`` on all pages; ``facets`` say what choosing a value would leave."""

    results: list[Found]
    next: str | None = None
    total: int | None = None
    facets: dict[str, list[FacetValue]] = Field(default_factory=dict)


class Terms(Shape):
    id: str
    name: str = ""
    version: int = 1
    kind: str = ""
    spdx: str = ""
    text_sha256: str
    uses: list[str] = Field(default_factory=list)
    rules: dict[str, Any] = Field(default_factory=dict)
    text: str | None = None
    """Only where the terms themselves were asked for."""
    text_ja: str = ""

    @property
    def document(self) -> str:
        """Exactly what is accepted: the text, and after a form feed the Japanese one."""
        return f"{self.text}\f\n{self.text_ja}" if self.text_ja else self.text or ""


class Offer(Shape):
    id: str
    kind: str
    terms: Terms
    grant_days: int | None = None
    pricing: dict[str, Any] = Field(default_factory=dict)
    price: str = ""
    """In words, without tax; empty for an offer that costs nothing."""


class Order(Shape):
    id: str
    number: int
    experience: str
    state: str
    total: str
    checkout_url: str = ""


class ReceiptResult(Shape):
    """What became of a receipt: ``code`` says why one was not counted."""

    replay_id: str = ""
    is_counted: bool
    code: str = ""


class ListingDetail(Listing):
    versions: list[Any] = Field(default_factory=list)
    offers: list[Offer] = Field(default_factory=list)
    granted: bool = False
    conditions: list[str] = Field(default_factory=list)
    permissions: dict[str, Any] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)
    steps: list[dict[str, Any]] = Field(default_factory=list)


class Grant(Shape):
    id: str
    experience: str
    state: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    uses: list[str] = Field(default_factory=list)
    seats: int | None = None
    seats_taken: list[str] = Field(default_factory=list)
    replays_quota: int | None = None
    replays_counted: int = 0


class StoredReport(Shape):
    id: str


class UsedIn(Shape):
    os_id: str = ""
    os_version: str = ""
    environment: str = ""


class Reply(Shape):
    text: str
    at: datetime | None = None


class StoredRating(Shape):
    """A rating with its answers, where it was used, and what the publisher says to it."""

    id: int = 0
    organization: str = ""
    major: int = 0
    stars: int
    text: str = ""
    held: str = ""
    described: str = ""
    effort_saved: str = ""
    used_in: UsedIn = UsedIn()
    helpful: int = 0
    reply: Reply | None = None


class RatingPage(Shape):
    results: list[StoredRating]
    next: str | None = None


class HelpfulCount(Shape):
    helpful: int


class Case(Shape):
    """A complaint and what came of it; ``statement`` only for the author of what it is about."""

    id: str
    subject: str
    state: str
    outcome: str | None = None
    reason: str | None = None
    statement: str = ""
