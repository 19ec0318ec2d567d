"""Conditions tried on both sides in real sandboxes: planted dependences are found, and none is made up."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replays import package
from sandboxes import debian, driver

from keiken.conditions import parse
from keiken.errors import SandboxUnavailable
from keiken.frontier.explore import explore
from keiken.frontier.judge import judged
from keiken.frontier.propose import Observation, changed_conditions, proposals
from keiken.frontier.record import Flip, Frontier, Run
from keiken.frontier.rewrite import next_version, rewritten
from keiken.package import Package, load, unpack
from keiken.sandbox import environments
from keiken.sandbox.bubblewrap import BubblewrapDriver
from keiken.sandbox.protocol import Environment

SCENARIOS = [{"name": "works", "environments": ["debian-12"], "expect": ["file('work/out').text == 'good\\n'"]}]


def planted(folder: Path, script: str, commands: Sequence[str] = (), **conditions: Any) -> Package:
    """One step, which writes ``good`` where the shell script says so."""
    step = {"id": "work", "shell": f"if {script}; then echo good; else echo bad; fi > work/out"}
    return package(
        folder,
        conditions=conditions,
        permissions={"commands": list(commands), "write": ["work/**"]},
        steps=[{**step, "expect": ["file('work/out').text == 'good\\n'"]}],
        scenarios=SCENARIOS,
    )


def explored(made: Package, *others: Environment) -> Frontier:
    return explore(made, driver=driver(), environment=debian(), others=others)


def found(frontier: Frontier) -> dict[tuple[str, str], str]:
    return {(one.axis, one.value): one.reason for one in frontier.dependences}


def verdicts(frontier: Frontier) -> dict[str, str]:
    return {one.key: one.verdict for one in frontier.conditions}


@pytest.fixture(scope="module")
def other_release(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A root of hard links whose release says 99: what tells releases apart is a file."""
    root = tmp_path_factory.mktemp("release", numbered=True) / "root"
    base = debian().root

    def link(source: str, target: str) -> None:
        os.link(source, target, follow_symlinks=False)

    try:
        shutil.copytree(base, root, symlinks=True, copy_function=link)
    except (OSError, shutil.Error):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(base, root, symlinks=True)
    for path in (root / "usr/lib/os-release", root / "etc/debian_version"):
        text = path.read_text()
        path.unlink()
        path.write_text(text.replace('VERSION_ID="12"', 'VERSION_ID="99"'))
    for folder in root.parents[:2]:
        folder.chmod(0o755)
    blank = Environment(name="debian-99", digest="sha256:" + "9" * 64, root=root)
    facts = environments.probed(blank, [])
    assert facts["os.version"] == "99"
    return Environment(name=blank.name, digest=blank.digest, root=root, facts=facts)


# --- in real sandboxes


@pytest.mark.slow
def test_every_planted_dependence_is_found_and_told_apart(tmp_path: Path, other_release: Environment) -> None:
    script = (
        '[ "$LANG" != ja_JP.utf8 ] && [ "$(date +%j%H)" = "$(date -u +%j%H)" ] && jq --version >/dev/null '
        "&& grep -q 'VERSION_ID=\"12\"' /etc/os-release"
    )
    frontier = explored(planted(tmp_path, script, ["jq", "date", "grep"]), other_release)
    flips = {("locale", "ja_JP.utf8"), ("time_zone", "<+14>-14"), ("time_zone", "<-11>+11"), ("tool", "jq")}
    assert set(found(frontier)) == flips | {("release", "debian-99")}
    assert "file('work/out').text == 'good\\n'" in found(frontier)["tool", "jq"]
    assert frontier.runs[0].flips == []
    assert frontier.runs[0].outcome == "passed"
    assert {one.key: one.value for one in frontier.proposals} == {"tool.jq": {"exists": True}}
    assert {(run.axes == {"locale", "time_zone"}) for run in frontier.runs} == {True, False}, "pairs were run"


@pytest.mark.slow
def test_nothing_is_made_up_of_a_package_that_depends_on_nothing(tmp_path: Path, other_release: Environment) -> None:
    frontier = explored(planted(tmp_path, "grep -q . /etc/os-release", ["grep"]), other_release)
    assert frontier.dependences == []
    assert frontier.proposals == []
    tried = [(flip.axis, flip.value) for run in frontier.runs for flip in run.flips]
    assert tried == [
        ("locale", "ja_JP.utf8"),
        ("locale", "C"),
        ("time_zone", "<+14>-14"),
        ("time_zone", "<-11>+11"),
        ("release", "debian-99"),
    ]
    assert {run.outcome for run in frontier.runs} == {"passed"}
    assert [(one.axis, one.value) for one in frontier.not_run] == [("date", "400"), ("date", "8000")]
    assert "libfaketime" in frontier.not_run[0].reason


@pytest.mark.slow
def test_a_declared_language_is_proved_by_both_sides(tmp_path: Path) -> None:
    frontier = explored(planted(tmp_path, '[ "$LANG" = ja_JP.utf8 ]', **{"locale.language": "ja"}))
    assert frontier.runs[0].outcome == "refused"
    assert verdicts(frontier) == {"locale.language": "proved"}
    assert frontier.dependences == []
    assert frontier.proposals == []


@pytest.mark.slow
def test_an_excluded_version_that_passes_makes_the_condition_wider(tmp_path: Path) -> None:
    frontier = explored(planted(tmp_path, "git --version >/dev/null", ["git"], **{"tool.git": ">=99"}))
    assert verdicts(frontier) == {"tool.git": "contradicted"}
    version = frontier.runs[0].facts["tool.git"]
    assert [(one.direction, one.key, one.value) for one in frontier.proposals] == [
        ("wider", "tool.git", f">={version}")
    ]
    without = next(run for run in frontier.runs if run.axes == {"tool"})
    assert (without.bare, without.facts["tool.git"]) == ("failed", None)


def test_where_environments_are_images_a_changed_one_is_not_run_and_a_missing_one_is_trouble(tmp_path: Path) -> None:
    class Images(BubblewrapDriver):
        def __init__(self, *digests: str) -> None:
            self.digests = digests

        def open(self, **given: Any) -> Any:
            if given["environment"].digest not in self.digests:
                raise SandboxUnavailable("environment_image_missing", "There is no image of it.", "Push it.")
            return super().open(**given)

    made = planted(tmp_path, "true")
    frontier = explore(made, driver=Images(debian().digest), environment=debian())
    assert [(run.flips, run.outcome) for run in frontier.runs] == [([], "passed")]
    assert {one.axis for one in frontier.not_run if one.reason == "There is no image of it."} >= {"time_zone"}
    with pytest.raises(SandboxUnavailable) as missing:
        explore(made, driver=Images(), environment=debian())
    assert missing.value.code == "environment_image_missing"


def test_a_package_without_a_scenario_there_is_said_to_be_untried(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        steps=[{"id": "work", "run": ["true"]}],
        scenarios=[{"name": "refused", "environments": ["debian-12"], "outcome": "refused"}],
    )
    frontier = explored(made)
    assert frontier.runs == []
    assert [one.reason for one in frontier.not_run] == ["No scenario carries out steps in debian-12."]


# --- what runs say


def run(bare: Any = "passed", unmet: Sequence[str] = (), flips: Sequence[Flip] = (), **facts: Any) -> Run:
    named = {name.replace("_", ".", 1): value for name, value in facts.items()}
    return Run(
        flips=list(flips),
        environment="debian-12",
        environment_digest="",
        outcome="refused" if unmet else bare,
        bare=bare,
        reason="why",
        unmet=list(unmet),
        facts=named,
    )


def flip(axis: Any, value: str) -> Flip:
    return Flip(axis=axis, value=value)


GIT = {"tool.git": ">=2.30"}
NO_GIT = [flip("tool", "git")]
OLD = [flip("release", "debian-10")]


@pytest.mark.parametrize(
    ("declared", "runs", "verdict"),
    [
        (GIT, [run(tool_git="2.39"), run("failed", ["tool.git"], OLD, tool_git="2.20")], "proved"),
        (GIT, [run(tool_git="2.39"), run("failed", ["tool.git"], NO_GIT, tool_git=None)], "supported"),
        (GIT, [run(tool_git="2.39")], "supported"),
        (GIT, [run(tool_git="2.39"), run("passed", ["tool.git"], NO_GIT, tool_git=None)], "contradicted"),
        (GIT, [run("failed", tool_git="2.39")], "unknown"),
        (GIT, [run("failed", ["tool.git"], tool_git="2.20")], "unknown"),
        (GIT, [run(tool_git="2.39"), run("failed", ["os.version", "tool.git"], OLD, tool_git="2.20")], "supported"),
        ({"tool.git": {"exists": True}}, [run(tool_git="2"), run("failed", ["tool.git"], NO_GIT, tool_git=None)], "proved"),
        (
            {"locale.language": ["c", "ja"]},
            [run(locale_language="c"), run("failed", [], [flip("locale", "ja")], locale_language="ja")],
            "contradicted",
        ),
    ],
)  # fmt: skip
def test_the_verdict_of_a_condition(declared: dict[str, Any], runs: list[Run], verdict: str) -> None:
    assert [one.verdict for one in judged(parse(declared), declared, runs, []).conditions] == [verdict]


def test_what_fails_as_it_is_depends_on_nothing_seen() -> None:
    assert judged((), {}, [run("failed"), run("failed", [], OLD)], []).dependences == []


def test_a_condition_on_a_tool_does_not_cover_the_release() -> None:
    runs = [run(tool_git="2.39"), run("failed", [], OLD, tool_git="2.31")]
    assert [one.axis for one in judged(parse(GIT), GIT, runs, []).dependences] == ["release"]


# --- what is proposed


def seen(passed: bool, **facts: Any) -> Observation:
    return Observation({name.replace("_", ".", 1): value for name, value in facts.items()}, passed, "field")


@pytest.mark.parametrize(
    ("declared", "observations", "proposed"),
    [
        ({"tool.git": ">=2.30,<3"}, [(True, "2.39"), (False, "2.31")], {"tool.git": "<3,>=2.39"}),
        ({"tool.git": ">=2.30"}, [(True, "2.39"), (True, "2.20"), (False, "2.10")], {"tool.git": ">=2.20"}),
        ({"tool.git": ">=2.30"}, [(True, "2.39"), (True, None)], {}),
        ({"tool.git": ">=2.30"}, [(True, "2.39"), (True, "2.40")], {"tool.git": ">=2.30"}),
        ({"tool.git": ">=2.30"}, [(True, "2.39"), (False, "2.39")], {"tool.git": ">=2.30"}),
        ({"tool.git": ["2.39", "2.40"]}, [(True, "2.39"), (False, "2.40")], {"tool.git": "2.39"}),
        ({"tool.git": "2.39"}, [(True, "2.39"), (True, "2.40")], {"tool.git": ["2.39", "2.40"]}),
        ({"tool.git": {"not": ["1.0", "2.0"]}}, [(True, "1.0"), (False, "2.0")], {"tool.git": {"not": ["2.0"]}}),
        ({"tool.git": {"exists": True}}, [(True, "1.0"), (True, None)], {}),
    ],
)  # fmt: skip
def test_the_proposed_condition(
    declared: dict[str, Any], observations: list[tuple[bool, Any]], proposed: dict[str, Any]
) -> None:
    found = declared
    for one in proposals(declared, [seen(passed, tool_git=fact) for passed, fact in observations]):
        found = changed_conditions(found, one)
    assert found == proposed


VERSIONS = st.integers(1, 9).map(lambda minor: f"2.{minor}")


@given(
    declared=st.sampled_from([">=2.3", "<2.5", ">=2.2,<2.7", "2.4", "!=2.4"]) | st.lists(VERSIONS, min_size=1),
    observations=st.lists(st.tuples(st.booleans(), VERSIONS | st.none()), max_size=8),
)
def test_a_proposal_agrees_with_all_that_was_seen(declared: Any, observations: list[tuple[bool, Any]]) -> None:
    evidence = [seen(passed, tool_git=fact) for passed, fact in observations]
    for proposal in proposals({"tool.git": declared}, evidence):
        changed = changed_conditions({"tool.git": declared}, proposal)
        for one in evidence:
            assert all(condition.evaluate(one.facts) == "holds" for condition in parse(changed)) == one.passed


# --- the new version


@pytest.mark.parametrize(
    ("version", "direction", "following"),
    [
        ("1.4.2", "wider", "1.5.0"),
        ("1.4.2", "narrower", "1.4.3"),
        ("0.1.0-rc.1", "wider", "0.2.0"),
    ],
)
def test_the_next_version_says_what_it_means_for_others(version: str, direction: str, following: str) -> None:
    assert next_version(version, direction) == following


def test_only_conditions_and_version_change(tmp_path: Path) -> None:
    made = planted(tmp_path, "true", **{"os.family": "linux"})
    (made.folder / "assets").mkdir()
    (made.folder / "assets/a.txt").write_text("ä\n")
    before = load(made.folder)
    archive = rewritten(before, conditions={"os.family": "linux", "tool.git": ">=2"}, version="1.1.0")
    after = unpack(archive, tmp_path / "after")
    assert after.manifest.conditions == {"os.family": "linux", "tool.git": ">=2"}
    assert (
        after.manifest.model_copy(update={"version": "1.0.0", "conditions": before.manifest.conditions})
        == before.manifest
    )
    assert after.read("assets/a.txt") == before.read("assets/a.txt")
    assert after.read("SKILL.md") == before.read("SKILL.md")
