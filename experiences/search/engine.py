"""The index of one process: listings in, ranked places with counts and reasons out. It knows no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from experiences.domain.terms import fields_of, topic_key
from experiences.search.columns import Columns, Listing, Sort, figures, proof_buckets, topic_postings, worth
from experiences.search.facets import ClassValues, Filters, class_counts, passing, topic_counts, value_counts
from experiences.search.fitting import Conditions, ConditionSets
from experiences.search.meaning import Signs
from experiences.search.postings import Index, segment_of
from experiences.search.ranking import FUSED, Matches, Numbers, Sought, best, fused, matches_of

Fit = Literal["any", "fits", "nearly"]
NEARLY_UNMET = 2
"""What lacks so many conditions at most fits nearly."""
POLICY_SECONDS = 30 * 86_400
MINUTE = 60
DEAD_SHARE = 0.25
RELEVANCE_BITS = 24
MEANING = "meaning"
"""Where a listing is said to be found that no word led to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """``organization_id`` and ``permitted`` (numbers of experiences) say what the asker may see beside the public."""

    sought: Sequence[Sought] = ()
    excluded: Sequence[Sequence[int]] = ()
    """Keys of terms; what has all of one entry is left out."""
    only: Sequence[int] | None = None
    """Experiences, where something else has narrowed them down."""
    near: Sequence[int] = ()
    """Experiences close in meaning, the closest first, of those that ``candidates`` gave for the same request."""
    near_words: str = ""
    """To what they are close."""
    facts: Mapping[str, Any] | None = None
    fit: Fit = "any"
    filters: Filters = field(default_factory=Filters)
    sort: Sort = "relevance"
    organization_id: int | None = None
    permitted: Sequence[int] = ()
    count: int = 20
    offset: int = 0
    now: int = 0
    policy_seconds: int = POLICY_SECONDS
    with_facets: bool = True
    explain: bool = True


@dataclass(frozen=True, slots=True)
class Reason:
    """A word of the query, the term found for it, and the fields it stands in.

    Where the field is ``meaning``, ``word`` is all that was asked, and there is no term.
    """

    word: str
    term: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    experience_id: int
    unmet: int | None
    """Conditions that fail or are not known; None where no facts were given."""
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    total: int
    places: tuple[Place, ...]
    facets: dict[str, list[tuple[Any, int]]]
    """``publisher`` counts by number of the organization, all others by name."""


class Engine:
    def __init__(self) -> None:
        self.conditions = Conditions()
        self.sets = ConditionSets(self.conditions)
        self.columns = Columns()
        self.index = Index()
        self.signs: Signs | None = None
        """Only where an embedding endpoint is configured."""
        self._changed = 0
        self._class_values = ClassValues([])
        self._figures: dict[str, tuple[tuple[int, ...], NDArray[Any]]] = {}

    # --- what is listed

    def put(self, listings: Iterable[Listing]) -> None:
        """Add or replace. Texts count as unchanged while the version is the same."""
        keys, places, marks = [], [], []
        for listing in listings:
            place = self.columns.place(listing.experience_id)
            if place is not None and self.columns["version"][place] == listing.version_id:
                self.columns.update(place, listing)
                continue
            place = self.columns.add(listing, self.sets.intern(self.conditions.places(listing.conditions)))
            topics = topic_postings(listing.topics)
            keys.append(np.concatenate([listing.keys, topics]))
            marks.append(np.concatenate([listing.marks, np.full(len(topics), 2, dtype=np.uint8)]))
            places.append(np.full(len(keys[-1]), place, dtype=np.int32))
        if keys:
            self.index.add(segment_of(np.concatenate(keys), np.concatenate(places), np.concatenate(marks)))
        self._changed += 1

    def remove(self, experience_ids: Iterable[int]) -> None:
        for number in experience_ids:
            self.columns.remove(number)
        self._changed += 1

    def touch(self) -> None:
        """Call it after columns were written from outside."""
        self._changed += 1

    def set_signs(self, numbers: Sequence[int], signs: Mapping[int, NDArray[np.uint64]]) -> None:
        """The signs of the vectors of these experiences; those of them that have none are close to nothing."""
        if self.signs is None:
            return
        self.signs.forget(self.columns.places(numbers))
        with_places = [
            (place, signs[n]) for n in numbers if n in signs and (place := self.columns.place(n)) is not None
        ]
        if with_places:
            places, rows = zip(*with_places, strict=True)
            self.signs.put(np.array(places, dtype=np.int64), np.stack(rows))

    def version_of(self, experience_id: int) -> int | None:
        place = self.columns.place(experience_id)
        return int(self.columns["version"][place]) if place is not None else None

    @property
    def is_worn(self) -> bool:
        """Whether so many places were given up that a new index would be much smaller."""
        return len(self.columns) > 4096 and 1 - self.columns["alive"].mean() > DEAD_SHARE

    def memory(self) -> dict[str, int]:
        """Bytes of the parts: ``mask`` is what fit needs, ``columns`` the figures, ``postings`` the words."""
        mask = self.columns["set"].nbytes + self.sets.nbytes
        return {
            "mask": mask,
            "columns": self.columns.nbytes - self.columns["set"].nbytes,
            "orders": sum(kept.nbytes for _name, kept in self._figures.values()),
            "postings": self.index.nbytes,
            "signs": self.signs.nbytes if self.signs is not None else 0,
        }

    # --- what is asked

    def search(self, request: Request) -> Answer:
        code, unmet = self._code(request), self._unmet(request)
        base = self._allowed(request)
        if unmet is not None and request.fit != "any":
            base &= unmet <= (0 if request.fit == "fits" else NEARLY_UNMET)
        wide = self._matches(request, base)
        if request.near:
            wide = wide.joined(self._near_places(request))
        lets = passing(self._classes(), request.filters)
        of_any_publisher = wide if lets.lets_all else wide.only(lets.all[code[wide.places]])
        found = self._of_publishers(of_any_publisher, request)
        chosen = found.places[self._order(request, found, unmet)]
        facets = {}
        if request.with_facets:
            counted = self._of_publishers(wide, request).places
            facets = class_counts(self._classes(), lets, code[counted])
            facets["topic"] = topic_counts(self.columns, self.index, found.places)
            publishers = self.columns["organization"][of_any_publisher.places]
            facets["publisher"] = value_counts(publishers, self.columns.organizations.values)
        return Answer(
            total=len(found.places),
            places=tuple(self._place(int(place), request, unmet) for place in chosen),
            facets=facets,
        )

    def candidates(self, request: Request, signs: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Experiences that may be close in meaning, of those that the asker may see and that fit in full."""
        if self.signs is None:
            return np.empty(0, dtype=np.int64)
        base, unmet = self._allowed(request), self._unmet(request)
        if unmet is not None and request.fit != "any":
            base &= unmet == 0
        found: NDArray[np.int64] = self.columns["experience"][self.signs.nearest(signs, base)]
        return found

    def _near_places(self, request: Request) -> list[int]:
        return [place for number in request.near if (place := self.columns.place(number)) is not None]

    def _matches(self, request: Request, base: NDArray[np.bool_]) -> Matches:
        if request.sought:
            return matches_of(self.index, request.sought, base)
        places = np.flatnonzero(base)
        return Matches(places, np.zeros(len(places), dtype=np.float32), np.ones(len(places), dtype=np.bool_))

    def _allowed(self, request: Request) -> NDArray[np.bool_]:
        """What the asker may see, of what has the topics and none of the words that were excluded."""
        columns = self.columns
        seen: NDArray[np.bool_] = columns["public"] & columns["alive"]
        own = columns.organizations.known(request.organization_id)
        if own is not None:
            seen |= columns["alive"] & (columns["organization"] == own)
        if len(request.permitted):
            seen[columns.places(request.permitted)] = True
        if request.only is not None:
            only = np.zeros(len(columns), dtype=np.bool_)
            only[columns.places(request.only)] = True
            seen &= only
        for topic in request.filters.topics:
            has = np.zeros(len(columns), dtype=np.bool_)
            for at, _marks in self.index.find(topic_key(topic)):
                has[at] = True
            seen &= has
        for keys in request.excluded:
            self._leave_out(seen, keys)
        return seen

    def _of_publishers(self, found: Matches, request: Request) -> Matches:
        if not request.filters.publishers:
            return found
        known = [self.columns.organizations.known(number) for number in request.filters.publishers]
        wanted = [number for number in known if number is not None]
        return found.only(np.isin(self.columns["organization"][found.places], wanted))

    def _leave_out(self, seen: NDArray[np.bool_], keys: Sequence[int]) -> None:
        has = np.zeros(len(seen), dtype=np.uint8)
        for key in keys:
            for at, _marks in self.index.find(key):
                has[at] += 1
        seen &= has < len(keys)

    def _unmet(self, request: Request) -> NDArray[np.uint8] | None:
        if request.facts is None:
            return None
        counts = self.sets.unmet(request.facts)
        # Every set is there; "clip" only spares NumPy looking.
        unmet: NDArray[np.uint8] = np.take(counts, self.columns["set"], mode="clip")
        return unmet

    def _order(self, request: Request, found: Matches, unmet: NDArray[np.uint8] | None) -> NDArray[np.intp]:
        """The part of ``found`` that is asked for, the best first."""
        if request.sort == "relevance" and request.sought:
            keys = self._relevance(request, found)
        else:
            kept = self._kept(request.sort, request, lambda b: figures(request.sort, self.columns, b))
            keys = kept[found.places]
        if request.fit == "nearly" and unmet is not None:
            keys = keys - (unmet[found.places].astype(np.int64) << 57)
        if request.near and request.sort == "relevance":
            return self._merged(request, found, keys, unmet)
        ordered = best(keys, self._numbers(found.places), request.offset + request.count)
        return ordered[request.offset :]

    def _numbers(self, places: NDArray[np.intp]) -> Numbers:
        """The experiences there, to break ties by."""
        experiences = self.columns["experience"]
        return lambda at: experiences[places[at]]

    def _merged(
        self, request: Request, found: Matches, keys: NDArray[np.int64], unmet: NDArray[np.uint8] | None
    ) -> NDArray[np.intp]:
        """Best by words and close in meaning as one list; the window is fixed, so that pages do not overlap."""
        worded = np.flatnonzero(found.score > 0)
        count = max(FUSED, request.offset + request.count) + len(request.near)
        ordered = worded[best(keys[worded], self._numbers(found.places[worded]), count)]
        near_places = np.array(self._near_places(request), dtype=np.intp)
        near = np.searchsorted(found.places, near_places[np.isin(near_places, found.places)])
        first = fused(ordered[:FUSED].tolist(), near.tolist())
        if request.fit == "nearly" and unmet is not None:
            first.sort(key=lambda at: int(unmet[found.places[at]]))
        rest = ordered[FUSED:]
        merged = np.concatenate([np.array(first, dtype=np.intp), rest[~np.isin(rest, near)]])
        return merged[request.offset : request.offset + request.count]

    def _relevance(self, request: Request, found: Matches) -> NDArray[np.int64]:
        """The words' score times what the listing is worth."""
        value = self._kept("worth", request, lambda b: worth(self.columns["quality"], b))[found.places]
        score = found.score * (0.5 + 0.5 * value) * np.where(found.is_full, 1.0, 0.5)
        top = float(score.max(initial=0)) or 1.0
        scaled = (score / top * (2**RELEVANCE_BITS - 1)).astype(np.int64)
        keys: NDArray[np.int64] = scaled << 32 | self.columns["published"][found.places].astype(np.int64)
        return keys

    def _place(self, place: int, request: Request, unmet: NDArray[np.uint8] | None) -> Place:
        number = int(self.columns["experience"][place])
        reasons = []
        for item in request.sought if request.explain else ():
            for alternative in item.alternatives:
                mark = int(self.index.marks_at(alternative.key, [place])[0])
                if mark:
                    reasons.append(Reason(item.word, alternative.term, tuple(fields_of(mark))))
                    break
        if request.explain and number in request.near:
            reasons.append(Reason(request.near_words, "", (MEANING,)))
        return Place(
            experience_id=number,
            unmet=int(unmet[place]) if unmet is not None else None,
            reasons=tuple(reasons),
        )

    # --- what is worked out once for many queries

    def _classes(self) -> ClassValues:
        if self._class_values.count != len(self.columns.classes.values):
            self._class_values = ClassValues(self.columns.classes.values)
        return self._class_values

    def _code(self, request: Request) -> NDArray[np.int32]:
        """The class of each place and the age of its proof in one number."""

        def work_out(buckets: NDArray[np.int32]) -> NDArray[Any]:
            coded: NDArray[np.int32] = self.columns["klass"] * 8 + buckets
            return coded

        return self._kept("code", request, work_out)

    def _kept(self, name: str, request: Request, work_out: Any) -> NDArray[Any]:
        """Kept while nothing has changed and the minute lasts: a proof ages by the minute."""
        state = (self._changed, request.now // MINUTE, request.policy_seconds)
        known = self._figures.get(name)
        if known is None or known[0] != state:
            columns = self.columns
            buckets = proof_buckets(columns["standing"], columns["proven"], request.now, request.policy_seconds)
            known = self._figures[name] = (state, work_out(buckets))
        return known[1]
