"""The processes in which checks are evaluated: what they know, and how they end."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sandboxes import children_of, until
from states import FILES, MappedState

from keiken.checks import CheckError, Evaluator
from keiken.checks.nursery import close_nursery


def _children(owner: int | None = None) -> set[int]:
    """The evaluating ones: those of the owner's children that fork them."""
    return {child for parent in children_of(owner or os.getpid()) for child in children_of(parent)}


def test_the_child_has_no_files_no_environment_and_no_way_to_get_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEIKEN_CANARY", "seen")
    before = _children()
    with Evaluator(MappedState()) as live:
        live.evaluate("true", {})
        (child,) = _children() - before
        links = {int(fd.name): str(fd.readlink()) for fd in Path(f"/proc/{child}/fd").iterdir()}
        assert sorted(links) == [0, 1, 2, 3]
        assert links[1] == links[2] == "/dev/null"
        assert links[0].startswith("pipe:")
        assert links[3].startswith("pipe:")
        assert b"CANARY" not in Path(f"/proc/{child}/environ").read_bytes()
        limits = Path(f"/proc/{child}/limits").read_text()
        assert [line.split()[3] for line in limits.splitlines() if line.startswith("Max open files")] == ["4"]
        assert [line.split()[3] for line in limits.splitlines() if line.startswith("Max file size")] == ["0"]
    assert not Path(f"/proc/{child}").exists()


def test_a_child_that_somebody_else_killed_is_not_held_against_the_expression() -> None:
    before = _children()
    with Evaluator(MappedState(FILES)) as live:
        assert live.evaluate("1 + 1", {}) == 2
        (child,) = _children() - before
        os.kill(child, signal.SIGKILL)
        assert live.evaluate("file('work/a.txt').size", {}) == 8


def test_a_child_that_is_killed_in_the_middle_is_started_once_more() -> None:
    before = _children()

    class Killing(MappedState):
        kills = 1

        def file(self, path: str) -> dict[str, Any]:
            if self.kills:
                self.kills -= 1
                (child,) = _children() - before
                os.kill(child, signal.SIGKILL)
                while _is_running(child):
                    time.sleep(0.001)
            return super().file(path)

    with Evaluator(Killing(FILES)) as live:
        assert live.evaluate("file('work/a.txt').size", {}) == 8


def test_a_stopped_child_ends_at_the_wall_limit() -> None:
    before = _children()
    with Evaluator(MappedState(FILES), cpu_seconds=0.3) as live:
        live.evaluate("true", {})
        (child,) = _children() - before
        os.kill(child, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(CheckError) as refused:
            live.evaluate("true", {})
        assert refused.value.code == "check_too_expensive"
        assert time.monotonic() - started < 60
        assert live.evaluate("true", {}) is True


def test_nothing_is_left_running_after_it_is_closed() -> None:
    before = _children()
    live = Evaluator(MappedState())
    live.evaluate("true", {})
    live.close()
    live.close()
    assert _children() == before


def _parents() -> set[int]:
    return {parent for parent in children_of(os.getpid()) if children_of(parent)}


def test_a_killed_parent_costs_the_next_one_a_start() -> None:
    with Evaluator(MappedState(FILES)) as live, Evaluator(MappedState(FILES)) as other:
        assert other.evaluate("1 + 1", {}) == live.evaluate("1 + 1", {}) == 2
        for parent in _parents():
            os.kill(parent, signal.SIGKILL)
        live.close()
        live.warm_up()
        for parent in _parents():  # and in the middle of its start
            os.kill(parent, signal.SIGKILL)
        assert live.evaluate("file('work/a.txt').size", {}) == 8
        assert other.evaluate("file('work/a.txt').size", {}) == 8


def test_a_child_knows_nothing_of_what_an_earlier_one_or_its_owner_knew(monkeypatch: pytest.MonkeyPatch) -> None:
    close_nursery()
    first, second = (f"canary-{secrets.token_hex(8)}" for _number in range(2))
    monkeypatch.setenv("KEIKEN_CANARY", first)
    before = _children()
    with Evaluator(MappedState()) as live, Evaluator(MappedState()) as later:
        assert live.evaluate("parameters.a", {"parameters": {"a": second}}) == second
        (child,) = _children() - before
        assert _knows(child, second)  # so the search finds what is there
        later.evaluate("true", {})
        (other,) = _children() - before - {child}
        assert not _knows(child, first)
        assert not _knows(other, first)
        assert not _knows(other, second)


def _knows(pid: int, text: str) -> bool:
    """Whether it is anywhere in the memory of that process that can be written."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights, *_rest = line.split()
            start, end = (int(number, 16) for number in place.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                with contextlib.suppress(OSError):
                    if text.encode() in memory.read(end - start):
                        return True
    return False


def test_a_forked_process_has_a_parent_of_children_of_its_own() -> None:
    with Evaluator(MappedState(FILES)) as live:
        assert live.evaluate("1 + 1", {}) == 2
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException), Evaluator(MappedState(FILES)) as own:
                os._exit(own.evaluate("file('work/a.txt').size", {}))
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 8
        assert live.evaluate("2 + 2", {}) == 4


OWNER = """
import sys
from keiken.checks import Evaluator

class State:
    def file(self, path):
        print("asked", flush=True)
        sys.stdin.read()
    files = port = file

Evaluator(State()).evaluate(sys.argv[1], {"parameters": {"l": list(range(100000))}})
"""


@pytest.mark.parametrize(
    "expression", ["file('a').exists", "file('a').exists || parameters.l.all(x, parameters.l.all(y, x + y >= 0))"]
)
def test_the_child_ends_with_an_owner_that_is_killed(expression: str) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, expression], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "asked\n"
    processes = {*children_of(owner.pid), *_children(owner.pid)}
    assert len(processes) == 2
    owner.kill()
    owner.communicate()
    assert until(lambda: not any(map(_is_running, processes)))


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
