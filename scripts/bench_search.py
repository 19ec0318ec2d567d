"""What a search costs at 10,000, 100,000 and 1,000,000 versions: fit alone, and words with fit and counts.

The engine is measured over synthetic arrays, so that no database is filled with a million rows. 100,000 versions go
through an embedded PostgreSQL of this run's own, too, from the question to the rows of the page. Every median is also
given as a ratio to a read by an indexed primary key in the same run, since a busy machine slows all of them. The
limits are held against the 95th percentile of the processor time that the search itself took: on an idle machine that
is the time that passes, on a busy one it leaves out the waiting for others.

A *known* machine is one whose facts were sent before; a *new* one has facts that nobody has sent yet.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

SIZES = (10_000, 100_000, 1_000_000)
END_TO_END = 100_000
TOOLS = 300
RANGES = 30
VOCABULARY = 50_000
TOP = 20
FIT_LIMIT_MS, ALL_LIMIT_MS, MASK_LIMIT_BYTES = 15.0, 50.0, 60.0
NOW = 1_800_000_000
DAY = 86_400
COMMON_SHARE, MIDDLING_SHARE = 0.5, 0.01
"""Of the sets of conditions, so many hold on the popular machine, and on the middling one."""
WORDS = {"popular": (0, 1), "middling": (200, 300), "rare": (VOCABULARY - 1,)}
"""By how far down the vocabulary they stand: in half of all listings, in some thousandths, in one."""


@dataclass(frozen=True)
class Figure:
    size: int
    what: str
    median_ms: float
    p95_ms: float
    cpu_p95_ms: float
    hits: int

    def line(self, reference_ms: float) -> str:
        return (
            f"  {self.what:<42} {self.hits:>9,} hits   median {self.median_ms:7.2f}  p95 {self.p95_ms:7.2f}"
            f"  p95 of its own CPU time {self.cpu_p95_ms:7.2f} ms  {self.median_ms / reference_ms:6.1f} x"
        )


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", flush=True)


STARTED = time.monotonic()


def measured(size: int, what: str, call: Callable[[int], int], *, rounds: int) -> Figure:
    """``call`` gets the number of the round and returns how many it found."""
    hits, times, own = call(0), [], []
    for number in range(1, rounds + 1):
        begin, own_begin = time.perf_counter(), time.thread_time()
        hits = call(number)
        times.append((time.perf_counter() - begin) * 1000)
        own.append((time.thread_time() - own_begin) * 1000)
    percentiles = float(np.percentile(times, 95)), float(np.percentile(own, 95))
    return Figure(size, what, float(np.median(times)), *percentiles, hits)


# --- a synthetic marketplace


def machines(number: int) -> dict[str, dict[str, Any]]:
    """Facts of three machines, some 60 each. ``number`` changes what no condition tells apart: a machine of its own."""
    shared: dict[str, Any] = {"os.family": "linux", "host.memory_mib": 4096 + number, "host.cpus": 4}
    tools = {f"tool.t{tool}": f"{tool % 7 + 1}.{number}" for tool in range(50)}
    return {
        "popular": {**shared, **tools, "os.id": "debian", "os.version": "12"},
        "middling": {**shared, **tools, "os.id": "alpine", "os.version": "3.20"},
        "rare": {**shared, **tools, "os.id": "plan9", "os.version": "4"},
    }


def fill(engine: Any, size: int, seed: int = 7) -> None:
    """``size`` listings with four conditions each on average, ten terms and three topics."""
    generator = np.random.default_rng(seed)
    sets = add_conditions(engine, size, generator)
    columns = engine.columns
    for klass in synthetic_classes():
        columns.classes.number(klass)
    organizations = max(10, size // 500)
    for number in range(organizations):
        columns.organizations.number(number)
    for topic in range(5_000):
        columns.topics.number(f"topic-{topic}")
    experience = np.arange(1, size + 1)
    topics = np.minimum(4_999, (generator.pareto(0.8, size * 3) * 2).astype(np.int32))
    columns.extend(
        {
            "experience": experience,
            "version": experience,
            "set": generator.permutation(sets),
            "organization": generator.integers(0, organizations, size),
            "klass": generator.integers(0, len(columns.classes.values), size),
            "public": np.ones(size, dtype=np.bool_),
            "alive": np.ones(size, dtype=np.bool_),
            "standing": generator.choice([0, 1, 2], size, p=[0.05, 0.25, 0.7]),
            "proven": NOW - generator.integers(0, 60 * DAY, size),
            "quality": generator.random(size, dtype=np.float32),
            "replays": generator.integers(0, 10_000, size),
            "published": NOW - generator.integers(0, 1000 * DAY, size),
        },
        np.arange(0, size * 3, 3),
        topics,
    )
    engine.index.add(synthetic_postings(size, topics, generator))
    engine.touch()


def add_conditions(engine: Any, size: int, generator: Any) -> Any:
    """The distinct conditions and sets; returns the number of the set of each listing."""
    from keiken.conditions import Condition

    for number, (key, operator, value) in enumerate(condition_table()):
        engine.conditions.add(number, Condition(key, operator, value))
    distinct = max(100, size // 5)
    members: list[Any] = []
    kinds = generator.random(distinct)
    tools = generator.integers(0, TOOLS * RANGES, (distinct, 3)) + 4
    easy = generator.integers(0, 50, (distinct, 2)) * RANGES + 4
    for index in range(distinct):
        if index == 0:
            members.append([0, 3])
        elif kinds[index] < COMMON_SHARE:
            members.append(sorted({0, 1, *easy[index]}))
        elif kinds[index] < COMMON_SHARE + MIDDLING_SHARE:
            members.append(sorted({0, 2, *easy[index]}))
        else:
            members.append(sorted({0, *tools[index]}))
    lengths = np.array([len(item) for item in members])
    engine.sets.extend(np.cumsum(lengths) - lengths, np.concatenate(members).astype(np.int32))
    chosen = generator.integers(1, distinct, size)
    chosen[0] = 0
    return chosen


def condition_table() -> Iterator[tuple[str, Any, Any]]:
    yield ("os.family", "equals", "linux")
    yield ("os.id", "any_of", ("debian", "ubuntu"))
    yield ("os.id", "equals", "alpine")
    yield ("os.id", "equals", "plan9")
    for tool in range(TOOLS):
        yield (f"tool.t{tool}", "range", ">=0.1")
        for step in range(1, RANGES):
            yield (f"tool.t{tool}", "range", f">={step // 3 + 8}.{step}")


def synthetic_classes() -> list[Any]:
    from experiences.search.columns import Class

    chooser = random.Random(3)
    environments = ["debian-12", "debian-12-web", "debian-12-data", "debian-13", "ubuntu-24.04"]
    actions = ["run", "shell", "http", "file", "ask"]
    return [
        Class(
            environment=tuple(sorted(chooser.sample(environments, chooser.randint(0, 3)))),
            action=tuple(sorted(chooser.sample(actions, chooser.randint(1, 4)))),
            license=tuple(
                sorted(chooser.sample(["free", "purchase", "subscription", "request"], chooser.randint(0, 2)))
            ),
            price=(chooser.choice(["free", "low", "middle", "high"]),),
            language=(chooser.choice(["en", "en", "en", "ja"]),),
        )
        for _number in range(2_000)
    ]


def synthetic_postings(size: int, topics: Any, generator: Any) -> Any:
    """A vocabulary as languages have it (Zipf): the first word in half of the listings, the last in one."""
    from experiences.domain.terms import key_of, topic_key
    from experiences.search.postings import Segment

    by_key: dict[int, Any] = {}
    for rank in range(VOCABULARY):
        frequency = max(1, int(size * 0.5 / (rank + 1) ** 0.9)) if rank < VOCABULARY - 1 else 1
        by_key[key_of(f"w{rank}")] = np.unique(generator.integers(0, size, frequency, dtype=np.int32))
    by_key[key_of(f"w{VOCABULARY - 1}")] = np.array([0], dtype=np.int32)
    places = np.repeat(np.arange(size, dtype=np.int32), 3)
    order = np.argsort(topics, kind="stable")
    edges = np.searchsorted(topics[order], np.arange(5_001))
    for topic in range(5_000):
        if edges[topic] < edges[topic + 1]:
            by_key[topic_key(f"topic-{topic}")] = np.unique(places[order[edges[topic] : edges[topic + 1]]])
    keys = sorted(by_key)
    lengths = [len(by_key[key]) for key in keys]
    return Segment(
        np.array(keys, dtype=np.uint64),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([by_key[key] for key in keys]),
        generator.integers(16, 256, sum(lengths), dtype=np.uint8),
    )


# --- what is measured


def engine_figures(size: int) -> tuple[list[Figure], dict[str, int]]:
    from experiences.domain.terms import key_of
    from experiences.search.engine import Engine, Request
    from experiences.search.ranking import Alternative, Sought

    engine = Engine()
    fill(engine, size)
    say(f"{size:,} versions in memory, {len(engine.conditions):,} conditions in {len(engine.sets):,} sets")

    def ask(facts: Mapping[str, Any] | None, words: Sequence[int] = (), *, facets: bool) -> int:
        sought = [Sought(f"w{rank}", True, (Alternative(key_of(f"w{rank}"), f"w{rank}"),)) for rank in words]
        request = Request(
            sought=sought, facts=facts, fit="fits" if facts else "any", count=TOP, now=NOW, with_facets=facets
        )
        return engine.search(request).total

    found = []
    for name in ("popular", "middling", "rare"):
        known = machines(0)[name]
        found.append(measured(size, f"fit, {name}, known machine", lambda _n, f=known: ask(f, facets=False), rounds=60))
        found.append(
            measured(size, f"fit, {name}, new machine", lambda n, m=name: ask(machines(n)[m], facets=False), rounds=60)
        )
    for name, words in WORDS.items():
        facts = machines(0)["popular"]
        found.append(
            measured(
                size,
                f"{name} words + popular fit + counts",
                lambda _n, w=words, f=facts: ask(f, w, facets=True),
                rounds=40,
            )
        )
    for name in ("middling", "rare"):
        found.append(
            measured(
                size,
                f"popular words + {name} fit + counts",
                lambda n, m=name: ask(machines(n)[m], WORDS["popular"], facets=True),
                rounds=40,
            )
        )
    found.append(measured(size, "counts over everything", lambda _n: ask(None, facets=True), rounds=20))
    return found, engine.memory()


@contextmanager
def site() -> Iterator[None]:
    """A database of this run's own, all tables made, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kbs-") as folder:
        os.environ["KEIKEN_DATA_DIR"] = folder
        os.environ.pop("DATABASE_URL", None)
        os.environ["DJANGO_SETTINGS_MODULE"] = "marketplace.settings"
        from marketplace import embedded

        embedded.start(Path(folder))
        try:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            yield
        finally:
            from django.db import connections

            connections.close_all()
            embedded.stop(Path(folder))


LATEST = (
    "UPDATE experiences_experience AS e SET latest_id = v.id FROM experiences_version AS v WHERE v.experience_id = e.id"
)


def database_figures(size: int, rounds: int = 60) -> tuple[list[Figure], float]:
    """From the question to the rows of the page, and a read by primary key beside it."""
    from django.db import connection

    from accounts.actors import ANONYMOUS
    from experiences.models import Experience
    from experiences.search.find import Question, find
    from experiences.search.shelf import SHELF

    fill_database(size)
    say(f"{size:,} published versions in PostgreSQL")
    begin = time.perf_counter()
    with SHELF.reading() as engine:
        assert len(engine.columns) == size
    say(f"an index over them is built from the database in {time.perf_counter() - begin:.1f} s")
    numbers = random.Random(1)

    def by_key(_number: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT title FROM experiences_experience WHERE id = %s", [numbers.randint(1, size)])
            return len(cursor.fetchall())

    reference = measured(size, "a read by primary key", by_key, rounds=rounds * 5)
    facts = {"tool.t0": "1.0", "tool.t1": "1.0", "os.id": "debian"}
    figures = [reference]
    for what, question in {
        "one common word": Question(words="common", limit=TOP),
        "one rare word": Question(words="only77", limit=TOP),
        "one mistyped word": Question(words="comon77x", limit=TOP),
        "common word + fit": Question(words="common", facts=facts, fit="fits", limit=TOP),
        "fit alone": Question(facts=facts, fit="fits", limit=TOP),
        "a quoted phrase of common words": Question(words='"common word"', limit=TOP),
        "everything, by quality": Question(sort="quality", limit=TOP),
    }.items():
        figures.append(measured(size, what, lambda _n, q=question: find(ANONYMOUS, q).total, rounds=rounds))

    def changed(number: int) -> int:
        Experience.objects.filter(pk=number + 1).update(quality=0.5)
        return find(ANONYMOUS, Question(words="only77", limit=TOP)).total

    figures.append(measured(size, "a change, and a search that sees it", changed, rounds=rounds))
    return figures, reference.median_ms


def fill_database(size: int) -> None:
    from django.db import connection

    from accounts.models import Person
    from accounts.services.create_organization import create_organization
    from experiences.domain.terms import postings_of, trigrams
    from experiences.models import Condition, Experience, SearchWord

    owner = Person.objects.create_user("bench@example.com", "a long bench password")
    organization = create_organization(person=owner, slug="bench", name="Bench")
    Condition.objects.bulk_create(
        Condition(
            canonical=str(number), key=key, operator=operator, value=list(value) if isinstance(value, tuple) else value
        )
        for number, (key, operator, value) in zip(range(2_001), condition_table(), strict=False)
    )
    words = {f"word{rank}" for rank in range(2_000)} | {f"only{number}" for number in range(1_000)} | {"common", "word"}
    SearchWord.objects.bulk_create(SearchWord(word=word, trigrams=trigrams(word)) for word in words)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no changes to tell yet: nobody has read anything
        publish_many(organization, size)
        cursor.execute(LATEST)
        chooser = random.Random(5)
        numbers = list(Experience.objects.order_by("pk").values_list("pk", "latest_id"))
        with cursor.copy(
            "COPY experiences_searchentry (experience_id, version_id, keys, marks, language, actions, environments,"
            " license_kinds, price) FROM STDIN"
        ) as copy:
            for number, latest in numbers:
                text = " ".join(
                    ["common word", f"only{number}" if number < 1_000 else ""]
                    + [f"word{min(1_999, int(chooser.paretovariate(0.6)))}" for _word in range(12)]
                )
                postings = postings_of({"title": text})
                copy.write_row(
                    (number, latest, postings.keys.tobytes(), postings.marks.tobytes(), "en", ["run"], ["debian-12"],
                     ["free"], "free")
                )  # fmt: skip
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("ANALYZE")


def publish_many(organization: Any, size: int) -> None:
    from experiences.models import Blob, Experience, Version

    chooser = random.Random(9)
    blob = Blob.objects.create(digest="sha256:bench", size_bytes=1)
    experiences = Experience.objects.bulk_create(
        (
            Experience(
                organization=organization,
                name=f"bench-{number}",
                title=f"Bench {number}",
                topics=[f"topic-{number % 100}"],
                quality=chooser.random(),
                replay_count=number % 1000,
            )
            for number in range(size)
        ),
        batch_size=2_000,
    )
    Version.objects.bulk_create(
        (
            Version(
                experience=experience,
                version="1.0.0",
                major=1,
                blob=blob,
                manifest={"license": "Apache-2.0"},
                skill={},
                condition_ids=[1 + experience.pk % 2000],
                published_by="bench",
            )
            for experience in experiences
        ),
        batch_size=2_000,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--versions", type=int, default=END_TO_END, help="how many go through the database")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON document at the end")
    arguments = parser.parse_args()
    kept: list[Figure] = []
    memory: dict[int, dict[str, int]] = {}
    with site():
        database, reference_ms = database_figures(arguments.versions)
        say(f"end to end, {arguments.versions:,} versions; a read by primary key takes {reference_ms:.3f} ms")
        for figure in database:
            print(figure.line(reference_ms))
        for size in arguments.sizes:
            figures, memory[size] = engine_figures(size)
            for figure in figures:
                print(figure.line(reference_ms))
            shares = ", ".join(f"{name} {count / size:.1f}" for name, count in memory[size].items())
            print(f"  bytes a version: {shares}")
            kept += figures
    problems = judged(kept, memory)
    if arguments.json:
        print(
            json.dumps(
                {"reference_ms": reference_ms, "figures": [vars(item) for item in [*database, *kept]], "memory": memory}
            )
        )
    print("\n".join(problems) or "Every limit is kept.")
    return 1 if problems else 0


def judged(figures: Sequence[Figure], memory: Mapping[int, Mapping[str, int]]) -> list[str]:
    """What is over its limit at the largest size, and what grows faster than the number of versions."""
    largest = max(memory)
    problems = []
    for figure in figures:
        limit = FIT_LIMIT_MS if figure.what.startswith("fit") else ALL_LIMIT_MS
        if figure.size == largest and figure.cpu_p95_ms > limit:
            problems.append(f"{figure.what}: p95 {figure.cpu_p95_ms:.1f} ms at {largest:,}, not {limit:.0f} ms")
    if memory[largest]["mask"] / largest > MASK_LIMIT_BYTES:
        problems.append(f"the mask takes {memory[largest]['mask'] / largest:.1f} bytes a version")
    by_name: dict[str, dict[int, float]] = {}
    for figure in figures:
        by_name.setdefault(figure.what, {})[figure.size] = figure.median_ms
    sizes = sorted(memory)
    for what, medians in by_name.items():
        for small, large in itertools.pairwise(sizes):
            if medians[large] > medians[small] * (large / small) * 1.5:
                problems.append(f"{what}: grows faster than linearly from {small:,} to {large:,}")
    return problems


if __name__ == "__main__":
    sys.exit(main())
