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
from synthetic_market import NOW, WORDS, fill, fill_database, machines

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

SIZES = (10_000, 100_000, 1_000_000)
END_TO_END = 100_000
TOP = 20
FIT_LIMIT_MS, ALL_LIMIT_MS, MASK_LIMIT_BYTES = 15.0, 50.0, 60.0


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
