"""Marketplaces that nobody has, for measuring searches: in the engine's memory, and in a database.

Call what needs the site's models only after Django was set up.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

TOOLS = 300
RANGES = 30
VOCABULARY = 50_000
NOW = 1_800_000_000
DAY = 86_400
COMMON_SHARE, MIDDLING_SHARE = 0.5, 0.01
"""Of the sets of conditions, so many hold on the popular machine, and on the middling one."""
WORDS = {"popular": (0, 1), "middling": (200, 300), "rare": (VOCABULARY - 1,)}
"""By how far down the vocabulary they stand: in half of all listings, in some thousandths, in one."""
LATEST = (
    "UPDATE experiences_experience AS e SET latest_id = v.id FROM experiences_version AS v WHERE v.experience_id = e.id"
)


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
