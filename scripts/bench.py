"""``make bench``: what proving costs, as ratios of figures taken in turns within one run, on the machine it runs on.

Every figure is a median of interleaved rounds: what else the machine does meanwhile then slows all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from keiken.checks import nursery as checks_nursery
from keiken.package import Package, load
from keiken.replay.engine import replay
from keiken.replay.evidence import Evidence
from keiken.replay.prove import prove
from keiken.replay.report import ScenarioVerdict
from keiken.replay.request import Replay
from keiken.sandbox import environments, working_driver
from keiken.sandbox import start as sandbox_start
from keiken.sandbox.bubblewrap import binary
from keiken.sandbox.protocol import Environment, Limits

STEPS: list[tuple[str, str]] = [
    ("log", "seq 1 300000 | awk '{print $1, ($1 * 7919) % 1009, ($1 * 104729) % 97}' > work/log.txt"),
    ("sort", "sort -k2,2n -k1,1n work/log.txt > work/sorted.txt"),
    ("count", "cut -d' ' -f3 work/log.txt | sort -n | uniq -c > work/counts.txt"),
    ("pick", "grep -E ' (1|2|3)[0-9]? ' work/sorted.txt > work/picked.txt"),
    ("table", "sed 's/ /,/g' work/picked.txt > work/picked.csv"),
    (
        "sums",
        "awk -F, '{sum[$2] += $3} END {for (key in sum) print key, sum[key]}' work/picked.csv | sort -n > work/sums",
    ),
    ("report", "perl -lane '$t += $F[1]; END { print qq({\"total\": $t}) }' work/sums > work/report.json"),
    ("pack", "tar -cf work/all.tar --sort=name --mtime=@0 work/sorted.txt work/picked.csv work/counts.txt"),
    ("press", "gzip -n -6 work/all.tar"),
    ("digest", "sha256sum work/all.tar.gz work/report.json > work/digests.txt"),
]
CHECKS = {
    "log": ["file('work/log.txt').size > 3000000"],
    "sort": ["file('work/sorted.txt').size == file('work/log.txt').size"],
    "count": ["file('work/counts.txt').lines.size() == 97"],
    "pick": ["file('work/picked.txt').size > 1000"],
    "table": ["file('work/picked.csv').size == file('work/picked.txt').size"],
    "sums": ["file('work/sums').lines.size() > 10"],
    "report": ["file('work/report.json').json.total > 0"],
    "pack": ["file('work/all.tar').exists"],
    "press": ["!file('work/all.tar').exists && file('work/all.tar.gz').size > 100000"],
    "digest": ["file('work/digests.txt').lines.all(line, line.size() > 66)"],
}
SMALL = [("make", "mkdir -p work/a"), *[(f"write{n}", f"echo {n} > work/a/{n}") for n in range(9)]]
SMALL_CHECKS = {"make": ["true"], **{f"write{n}": [f"file('work/a/{n}').text == '{n}\\n'"] for n in range(9)}}
BARE = ["--unshare-all", "--die-with-parent", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--proc", "/proc",
        "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/job", "--tmpfs", "/job/work", "--chdir", "/job"]  # fmt: skip


def package_of(folder: Path, name: str, steps: Sequence[tuple[str, str]], checks: dict[str, list[str]]) -> Package:
    place = folder / name
    place.mkdir()
    manifest = {
        "experience": "1",
        "name": name,
        "version": "1.0.0",
        "title": "A measured experience",
        "license": "Apache-2.0",
        "permissions": {"commands": ["sh"], "write": ["work/**"]},
        "steps": [{"id": step, "shell": script, "expect": checks[step]} for step, script in steps],
        "scenarios": [{"name": "measured", "environments": ["debian-12"]}],
    }
    manifest["permissions"] = {
        "commands": [
            "awk",
            "cut",
            "find",
            "grep",
            "gzip",
            "mkdir",
            "perl",
            "sed",
            "seq",
            "sha256sum",
            "sh",
            "sort",
            "tar",
            "uniq",
        ],
        "write": ["work/**"],
    }
    (place / "experience.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    (place / "SKILL.md").write_text(
        f"---\nname: {name}\ndescription: For measuring.\nlicense: Apache-2.0\n---\n\n# It\n"
    )
    return load(place)


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def interleaved(rounds: int, **works: Callable[[], Any]) -> dict[str, float]:
    """The median seconds of each, after one round that counts for nothing."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            spent = seconds(work)
            if number:
                taken[name].append(spent)
    return {name: statistics.median(values) for name, values in taken.items()}


class Bench:
    def __init__(self, folder: Path, rounds: int) -> None:
        self.folder, self.rounds = folder, rounds
        self.environment: Environment = environments.get("debian-12")
        self.driver = working_driver()
        self.found: dict[str, Any] = {}

    def bare(self, steps: Sequence[tuple[str, str]]) -> Callable[[], bytes]:
        """All commands as one script in one bubblewrap: no limits, no checks, no launcher, nothing read back."""
        script = "set -e\n" + "\n".join(command for _step, command in steps)
        argv = [binary(), "--ro-bind", str(self.environment.root), "/", *BARE, "sh", "-c", script]

        def run() -> bytes:
            return subprocess.run(argv, check=True, capture_output=True, user=65534, env={}).stdout

        return run

    def compare_work(self, package: Package, steps: Sequence[tuple[str, str]]) -> None:
        """A pipeline can fail without a word: both sides must have written files of the same sizes, or nothing is
        compared. What is pressed has owners in it, which differ.
        """
        told = ("told", "find work -type f ! -name '*.gz' -printf '%p %s\\n' | sort")
        with self.opened(package) as sandbox:
            for _step, command in [*steps, told]:
                done = sandbox.run(["sh", "-c", command], env={}, stdin=b"", timeout_seconds=60)
                assert done.exit_code == 0, done.stderr
        bare = self.bare([*steps, told])()
        assert done.stdout == bare, f"the two sides did not do the same work: {done.stdout!r} {bare!r}"

    def replayed(self, package: Package) -> Callable[[], None]:
        """One sandboxed run of the scenario with all its checks and its evidence: what a verdict is made of."""
        kept: list[Evidence] = []

        def run() -> None:
            scenario = package.manifest.scenarios[0]
            job = Replay(
                package=package,
                executor=lambda: self.opened(package),
                facts=dict(self.environment.facts),
                scenario=scenario,
                on_evidence=kept.append,
            )
            report = replay(job)
            assert report.outcome == "succeeded", report.reason

        return run

    def proven(self, package: Package) -> Callable[[], None]:
        """The verdict with its second run, in which no step is carried out."""

        def run() -> None:
            verdict = prove_once(package, self.driver, self.environment)
            assert verdict.verdict == "passed", verdict.reason

        return run

    def opened(self, package: Package) -> Any:
        return self.driver.open(
            environment=self.environment,
            package=package.folder,
            commands=package.manifest.permissions.commands,
            network=[],
            limits=Limits(cpus=os.cpu_count() or 1),
        )

    def ten_steps(self) -> None:
        for name, steps, checks in (("real", STEPS, CHECKS), ("tiny", SMALL, SMALL_CHECKS)):
            package = package_of(self.folder, f"ten-{name}-steps", steps, checks)
            self.compare_work(package, steps)
            taken = interleaved(
                self.rounds, bare=self.bare(steps), replay=self.replayed(package), prove=self.proven(package)
            )
            self.tell(
                f"ten {name} steps",
                bare_ms=round(1000 * taken["bare"], 1),
                replay_ms=round(1000 * taken["replay"], 1),
                prove_ms=round(1000 * taken["prove"], 1),
                replay_ratio=round(taken["replay"] / taken["bare"], 2),
                prove_ratio=round(taken["prove"] / taken["bare"], 2),
            )

    def sandbox(self) -> None:
        package = package_of(self.folder, "one-step", SMALL[:1], SMALL_CHECKS)

        def open_and_close() -> None:
            self.opened(package).close()

        with self.opened(package) as kept:
            taken = interleaved(
                10 * self.rounds,
                process=lambda: subprocess.run(["/bin/true"], check=True, env={}),
                step=lambda: kept.run(["true"], env={}, stdin=b"", timeout_seconds=10),
                bwrap=self.bare([("nothing", "true")]),
                open=open_and_close,
            )
        self.tell("sandbox", **{f"{name}_ms": round(1000 * value, 2) for name, value in taken.items()},
                  step_ratio_to_process=round(taken["step"] / taken["process"], 2),
                  open_ratio_to_bare_bwrap=round(taken["open"] / taken["bwrap"], 2))  # fmt: skip

    def throughput(self) -> None:
        package = package_of(self.folder, "many", SMALL, SMALL_CHECKS)
        count = 4 * self.rounds
        before = used()
        for _time in range(count):
            self.proven(package)()
        spent = used() - before
        rates = {workers: self.rate(package.folder, workers, count) for workers in (1, 2, 4)}
        self.tell(
            "throughput",
            cpu_ms_each=round(1000 * spent / count, 1),
            per_core_minute=round(60 * count / spent),
            per_minute_by_workers={workers: round(60 * rate) for workers, rate in rates.items()},
            growth={workers: round(rate / rates[1], 2) for workers, rate in rates.items()},
        )

    def rate(self, folder: Path, workers: int, count: int) -> float:
        """Verifications a second of so many worker processes, once all of them are warm."""
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(prove_many, [str(folder)] * workers, [1] * workers))
            spent = seconds(lambda: list(pool.map(prove_many, [str(folder)] * workers, [count] * workers)))
        return workers * count / spent

    def tell(self, what: str, **figures: Any) -> None:
        self.found[what] = figures
        print(f"{what}: " + ", ".join(f"{name} {value}" for name, value in figures.items()), flush=True)


def prove_once(package: Package, driver: Any, environment: Environment) -> ScenarioVerdict:
    return prove(package, package.manifest.scenarios[0], driver=driver, environment=environment)


def prove_many(folder: str, count: int) -> None:
    """For a worker process of its own."""
    package, driver, environment = load(Path(folder)), working_driver(), environments.get("debian-12")
    for _time in range(count):
        verdict = prove_once(package, driver, environment)
        assert verdict.verdict == "passed", verdict.reason


def used() -> float:
    """Processor seconds of this process and of all it waited for, the launchers of its sandboxes among them."""
    sandbox_start.close_nursery()
    checks_nursery.close_nursery()
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in each)


def machine() -> dict[str, Any]:
    model = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "processor": model[0] if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "user": "root" if os.geteuid() == 0 else "plain",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="of which the medians are taken")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument("parts", nargs="*", default=["ten_steps", "sandbox", "throughput"])
    wanted = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        bench = Bench(Path(folder), wanted.rounds)
        for part in wanted.parts:
            getattr(bench, part)()
        if wanted.json:
            wanted.json.write_text(json.dumps({"machine": machine(), **bench.found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
