"""What else a search filters, counts and orders by: a few bytes a listing, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiences.domain.terms import topic_key
from experiences.search.growing import Growing

DOUBTED, NEUTRAL, PROVEN = 0, 1, 2
Sort = Literal["relevance", "quality", "newest", "replayed"]
SORTS: Final[tuple[Sort, ...]] = ("relevance", "quality", "newest", "replayed")
CLASS_FACETS: Final = ("environment", "action", "license", "price", "language")
AGES: Final = (("day", 86_400), ("week", 7 * 86_400))
"""Proofs not older than this; ``verified`` is one not older than the policy's age."""
BUCKETS: Final = 5
VERIFIED_BUCKETS: Final = {"day": (4,), "week": (3, 4), "verified": (2, 3, 4), "unverified": (1,), "failing": (0,)}
UNSCORED: Final = 0.5
"""What an experience counts for while nobody has reckoned its quality."""


class Class(NamedTuple):
    """What listings have in common that are alike but for words, conditions, publisher, topics and figures."""

    environment: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    license: tuple[str, ...] = ()
    price: tuple[str, ...] = ()
    language: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One experience as the search knows it. Times are whole seconds since 1970; ``proven_at`` 0 means never."""

    experience_id: int
    version_id: int
    organization_id: int
    is_public: bool = True
    conditions: Sequence[int] = ()
    """Their numbers in the database."""
    topics: Sequence[str] = ()
    klass: Class = field(default_factory=Class)
    standing: int = NEUTRAL
    proven_at: int = 0
    quality: float | None = None
    replays: int = 0
    published_at: int = 0
    keys: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    marks: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))


class Interned:
    """Small numbers for values that many listings share."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        found = self._numbers.get(value)
        if found is None:
            found = self._numbers[value] = len(self.values)
            self.values.append(value)
        return found

    def known(self, value: Any) -> int | None:
        return self._numbers.get(value)


class Columns:
    """One place a listing, by which all arrays are indexed. A place is never used again."""

    DTYPES: Final = {
        "experience": np.int64,
        "version": np.int64,
        "set": np.int32,
        "organization": np.int32,
        "klass": np.int32,
        "public": np.bool_,
        "alive": np.bool_,
        "standing": np.uint8,
        "proven": np.uint32,
        "quality": np.float32,
        "replays": np.uint32,
        "published": np.uint32,
    }

    def __init__(self) -> None:
        self._arrays = {name: Growing(dtype) for name, dtype in self.DTYPES.items()}
        self._topic_starts = Growing(np.int64)
        self._topic_members = Growing(np.int32)
        self._place_of = Growing(np.int32)
        """By the number of the experience, one more than its place; 0 where it is not listed."""
        self.organizations = Interned()
        self.classes = Interned()
        self.topics = Interned()

    def __len__(self) -> int:
        return len(self._arrays["experience"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name].view

    @property
    def nbytes(self) -> int:
        topics = self._topic_starts.nbytes + self._topic_members.nbytes
        return sum(array.nbytes for array in self._arrays.values()) + topics + self._place_of.nbytes

    def place(self, experience_id: int) -> int | None:
        known = self._place_of.view
        place = int(known[experience_id]) - 1 if 0 <= experience_id < len(known) else -1
        return place if place >= 0 and self["alive"][place] else None

    def places(self, experience_ids: Iterable[int]) -> NDArray[np.int64]:
        found = [place for number in experience_ids if (place := self.place(number)) is not None]
        return np.array(sorted(found), dtype=np.int64)

    def add(self, listing: Listing, set_number: int) -> int:
        """The new place. The place it had before is given up."""
        self.remove(listing.experience_id)
        place = len(self)
        for array in self._arrays.values():
            array.append(0)
        self["experience"][place], self["version"][place] = listing.experience_id, listing.version_id
        self["set"][place] = set_number
        self._topic_starts.append(len(self._topic_members))
        self._topic_members.extend(np.array([self.topics.number(t) for t in listing.topics], dtype=np.int32))
        self._remember(listing.experience_id, place)
        self.update(place, listing)
        return place

    def extend(self, columns: dict[str, NDArray[Any]], topic_starts: NDArray[Any], topics: NDArray[Any]) -> None:
        """Take over many new places at once; every one of ``DTYPES`` is given. ``topics`` are numbers."""
        first = len(self)
        for name, array in self._arrays.items():
            array.extend(columns[name])
        self._topic_starts.extend(topic_starts + len(self._topic_members))
        self._topic_members.extend(topics)
        numbers = columns["experience"]
        self._reserve_numbers(int(numbers.max(initial=-1)))
        self._place_of.view[numbers] = np.arange(first, len(self)) + 1

    def update(self, place: int, listing: Listing) -> None:
        """Everything that may change while the version stays the same."""
        values = {
            "organization": self.organizations.number(listing.organization_id),
            "klass": self.classes.number(listing.klass),
            "public": listing.is_public,
            "alive": True,
            "standing": listing.standing,
            "proven": listing.proven_at,
            "quality": np.nan if listing.quality is None else listing.quality,
            "replays": listing.replays,
            "published": listing.published_at,
        }
        for name, value in values.items():
            self[name][place] = value

    def remove(self, experience_id: int) -> None:
        if (place := self.place(experience_id)) is not None:
            self["alive"][place] = False
            self._place_of.view[experience_id] = 0

    def topics_of(self, places: NDArray[Any]) -> NDArray[np.int32]:
        """The numbers of the topics of these places, one after the other."""
        starts = np.append(self._topic_starts.view, len(self._topic_members))
        begin, counts = starts[places], starts[places + 1] - starts[places]
        ends = np.cumsum(counts)
        within = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - counts, counts)
        found: NDArray[np.int32] = self._topic_members.view[np.repeat(begin, counts) + within]
        return found

    def _remember(self, experience_id: int, place: int) -> None:
        self._reserve_numbers(experience_id)
        self._place_of.view[experience_id] = place + 1

    def _reserve_numbers(self, largest: int) -> None:
        lacking = largest + 1 - len(self._place_of)
        if lacking > 0:
            self._place_of.extend(np.zeros(lacking, dtype=np.int32))


def topic_postings(topics: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([topic_key(topic) for topic in topics], dtype=np.uint64)


def proof_buckets(standing: NDArray[Any], proven: NDArray[Any], now: int, policy_seconds: int) -> NDArray[np.int32]:
    """0 failing, 1 unverified, 2 verified, 3 within a week, 4 within a day: each is part of the one before."""
    buckets = np.ones(len(standing), dtype=np.int32)
    is_proven = standing == PROVEN
    for _name, seconds in (("verified", policy_seconds), *reversed(AGES)):
        buckets += is_proven & (proven > max(0, now - min(seconds, policy_seconds)))
    buckets[standing == DOUBTED] = 0
    return buckets


def figures(sort: Sort, columns: Columns, buckets: NDArray[Any]) -> NDArray[np.int64]:
    """The larger, the earlier: what is sorted by in the upper 31 bits, when it was published in the lower 32."""
    published = columns["published"].astype(np.int64)
    found: NDArray[np.int64]
    if sort == "newest":
        found = published
        return found
    if sort == "replayed":
        found = np.minimum(columns["replays"], 2**31 - 1).astype(np.int64) << 32 | published
        return found
    quality = columns["quality"]
    if sort == "quality":
        scaled = np.where(np.isnan(quality), 0, quality * (2**24 - 1) + 1)
    else:
        scaled = worth(quality, buckets) * (2**24)
    found = scaled.astype(np.int64) << 32 | published
    return found


def worth(quality: NDArray[Any], buckets: NDArray[Any]) -> NDArray[np.float32]:
    """From 0 to 1: what is verified now before what was or never was, that before what fails; then by quality."""
    proof = np.array([0.25, 0.5, 1.0, 1.0, 1.0], dtype=np.float32)[buckets]
    share = np.where(np.isnan(quality), np.float32(UNSCORED), quality)
    found: NDArray[np.float32] = (proof * (0.75 + 0.25 * share)).astype(np.float32)
    return found
