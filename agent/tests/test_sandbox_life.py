"""Sandboxes of a machine: side by side, owned by somebody who is killed, opened by a plain user."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandboxes import asleep, debian, driver, nap, opened, package_at, shell, until, using

import keiken
from keiken.errors import SandboxUnavailable
from keiken.sandbox import cgroup, working_driver
from keiken.sandbox.bubblewrap import BubblewrapDriver
from keiken.sandbox.oci import OciDriver
from keiken.sandbox.protocol import Limits

SOURCE = str(Path(keiken.__file__).parents[1])
OWNER = """
import sys, time
from pathlib import Path
from keiken.sandbox import drivers
from keiken.sandbox.protocol import Environment, Limits
name, root, package, word, driver = sys.argv[1:]
sandbox = drivers()[driver].open(environment=Environment(name=name, digest="", root=Path(root)), package=Path(package),
                                  commands=["sleep"], network=[], limits=Limits())
sandbox.start(["sleep", word], env={})
print("ready", flush=True)
sandbox.run(["sleep", word], env={}, stdin=b"", timeout_seconds=100)
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return package_at(tmp_path / "sample")


@contextlib.contextmanager
def owner(package: Path, word: str) -> Iterator[subprocess.Popen[str]]:
    environment = debian()
    argv = [sys.executable, "-c", OWNER, environment.name, str(environment.root), str(package), word]
    argv.append(driver().name)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": SOURCE}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert until(lambda: len(asleep(word)) == 2)
        yield process
        process.kill()


def mounts() -> set[str]:
    return {line for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines() if "keiken" in line}


@pytest.mark.usefixtures("each_driver")
def test_when_the_owner_is_killed_nothing_is_left(package: Path) -> None:
    mounts_before, groups_before = mounts(), set(cgroup.leftovers())
    long = nap(7777)
    with owner(package, long) as process:
        nurseries, launchers = _below(process.pid)
        assert (len(nurseries), len(launchers)) == (1, 1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert until(lambda: not asleep(long))
        assert until(lambda: not any(_is_alive(pid) for pid in nurseries + launchers))
    assert mounts() <= mounts_before
    # Other tests' sandboxes live beside this one; a group that nobody is in was left behind.
    assert until(
        lambda: not [path for _name, path in set(cgroup.leftovers()) - groups_before if not _has_members(path)]
    )


@pytest.mark.usefixtures("each_driver")
def test_when_the_launcher_is_killed_too_all_inside_dies_and_the_next_start_clears_the_rest(package: Path) -> None:
    long = nap(7778)
    with owner(package, long) as process:
        _nurseries, (launcher,) = _below(process.pid)
        inside = set(asleep(long))
        group = [folder for _name, folder in cgroup.leftovers() if inside & set(cgroup.members(folder))]
        os.kill(launcher, signal.SIGKILL)
        assert until(lambda: not asleep(long))
        process.kill()
        process.wait()
        with opened(package) as sandbox:
            assert shell(sandbox, "true").exit_code == 0
    # Another sandbox that starts beside this test may have cleared or taken over the group before.
    assert until(lambda: not any(Path(folder).is_dir() and not _has_members(folder) for folder in group))


def test_a_killed_nursery_costs_nothing_but_the_start_of_another(package: Path) -> None:
    with opened(package) as sandbox:
        ((nursery,), _launchers) = _below(os.getpid())
        os.kill(nursery, signal.SIGKILL)
        assert shell(sandbox, "true").exit_code == 0
        with opened(package) as another:
            assert shell(another, "true").exit_code == 0
        (successor,) = _below(os.getpid())[0]
        assert successor != nursery
        assert shell(sandbox, "echo on").stdout == b"on\n"


def test_a_child_of_the_owner_has_a_nursery_of_its_own(package: Path) -> None:
    with opened(package):
        (ours,) = _below(os.getpid())[0]
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            with opened(package) as sandbox:
                ran = shell(sandbox, "true").exit_code
                os.write(writer, f"{ran} {_below(os.getpid())[0]}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    ran, _space, theirs = os.read(reader, 100).decode().partition(" ")
    os.close(reader)
    assert ran == "0"
    assert theirs not in ("[]", f"[{ours}]")
    assert _is_alive(ours)


def _below(owner: int) -> tuple[list[int], list[int]]:
    """The nurseries of a process and the launchers that they forked."""
    nurseries = [pid for pid in _named("keiken-nursery") if _stat(pid)[1] == str(owner)]
    return nurseries, [pid for pid in _named("keiken-launch") if int(_stat(pid)[1]) in nurseries]


def _named(name: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text(encoding="utf-8").strip() == name:
                found.append(int(path.parent.name))
    return [pid for pid in found if _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    return _stat(pid)[0] not in "ZX"


def _stat(pid: int) -> list[str]:
    """State and parent; of a process that is gone, as of a dead one."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
    except OSError:
        return ["X", "0"]


def _has_members(folder: str) -> bool:
    return bool(cgroup.members(folder))


@pytest.mark.usefixtures("each_driver")
def test_two_sandboxes_side_by_side_share_nothing(package: Path) -> None:
    with opened(package) as one, opened(package) as other:
        assert one.uid != other.uid or os.geteuid() != 0
        shell(one, "echo secret > work/x; echo secret > /tmp/x; sleep 8881 >/dev/null 2>&1 &")
        assert not other.read("work/x").exists
        assert shell(other, "ls /tmp /job/work; cat /proc/[0-9]*/cmdline").stdout.count(b"8881") == 0
        one.close()
        assert shell(other, "echo lives").stdout == b"lives\n"


@pytest.mark.usefixtures("each_driver")
def test_many_at_once_do_not_disturb_each_other(package: Path) -> None:
    with contextlib.ExitStack() as stack:
        live = [stack.enter_context(opened(package)) for _number in range(6)]
        for number, sandbox in enumerate(live):
            sandbox.write("work/number", str(number).encode(), 0o644)
        assert [shell(sandbox, "cat work/number").stdout for sandbox in live] == [b"0", b"1", b"2", b"3", b"4", b"5"]
        assert len({sandbox.uid for sandbox in live}) == (6 if os.geteuid() == 0 else 1)


UNPRIVILEGED = """
import json, sys
from pathlib import Path
from keiken.sandbox import drivers
from keiken.sandbox import environments
from keiken.sandbox.protocol import Limits
capability = drivers()[sys.argv[2]].probe()
environment = environments.get("local")
with drivers()[sys.argv[2]].open(environment=environment, package=Path(sys.argv[1]), commands=["id", "sleep"],
                                  network=[], limits=Limits(work_mib=2)) as sandbox:
    def sh(text, seconds=5):
        result = sandbox.run(["sh", "-c", text], env={}, stdin=b"", timeout_seconds=seconds)
        return [result.exit_code, result.reason, (result.stdout + result.stderr).decode()]
    sandbox.write("work/from-outside", b"x", 0o600)
    answers = {
        "working": capability.working, "problem": capability.problem, "limits": capability.limits_enforced,
        "self_test": dict(capability.self_test), "id": sh("id -u"), "write": sh("echo y >> work/from-outside"),
        "timeout": sh("sleep 50", 0.3), "read": sandbox.read("work/from-outside").content.decode(),
        "ports": sorted(sandbox.listening_ports()), "undeclared": sh("cat SKILL.md"),
        "facts": environment.facts["os.family"],
    }
    try:
        sandbox.connect("127.0.0.1", 9, 1)
    except ConnectionRefusedError:
        answers["connect"] = "refused"
    sandbox.remove("work/from-outside")
    answers["removed"] = not sandbox.read("work/from-outside").exists
print(json.dumps(answers))
"""


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A folder that everybody may enter. Those of pytest are closed to others again whenever it is started anew."""
    with tempfile.TemporaryDirectory(prefix="keiken-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_plain_user_gets_the_same_containment_with_weaker_limits(each_driver: str, public_path: Path) -> None:
    package = package_at(public_path / "sample")
    argv = [sys.executable, "-c", UNPRIVILEGED, str(package), each_driver]
    env = {"PATH": os.environ["PATH"], "HOME": str(public_path), "KEIKEN_CACHE_DIR": str(public_path / "cache")}
    if os.geteuid() == 0:  # a user id nobody has, with access to nothing but what everybody may read
        for path in [public_path, *public_path.rglob("*")]:
            os.chown(path, 20_077, 20_077)
        argv = [
            "setpriv",
            "--reuid",
            "20077",
            "--regid",
            "20077",
            "--clear-groups",
            *_readable_python(argv, public_path, env),
        ]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(done.stdout)
    assert (answers["working"], answers["limits"]) == (True, False), answers
    assert set(answers["self_test"].values()) == {"contained"}
    assert "control group" in answers["problem"]
    assert answers["id"] == [0, "exited", "1000\n"]
    assert answers["write"] == [0, "exited", ""]
    assert answers["read"] == "xy\n"
    assert answers["timeout"][1] == "timeout"
    assert answers["undeclared"][0] == 126
    assert (answers["connect"], answers["ports"], answers["removed"], answers["facts"]) == (
        "refused",
        [],
        True,
        "linux",
    )


def _readable_python(argv: list[str], folder: Path, env: dict[str, str]) -> list[str]:
    """The system's Python with our source and libraries copied to where that user may read them."""
    import shutil
    import sysconfig

    libraries = folder / "libraries"
    shutil.copytree(Path(SOURCE) / "keiken", libraries / "keiken", ignore=shutil.ignore_patterns("__pycache__"))
    pydantic = ("pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions.py")
    for name in ("yaml", "platformdirs", "pyseccomp.py", "packaging", "h11", *pydantic):
        source = Path(sysconfig.get_path("purelib")) / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, libraries / name)
    env["PYTHONPATH"] = str(libraries)
    return ["/usr/bin/python3", *argv[1:]]


def test_without_bubblewrap_nothing_runs_and_the_advice_names_the_package(
    package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KEIKEN_BWRAP", str(tmp_path / "missing"))
    capability = BubblewrapDriver().probe()
    assert not capability.working
    assert "apt-get install bubblewrap" in capability.advice
    with pytest.raises(SandboxUnavailable) as refused:
        working_driver("bubblewrap")
    assert refused.value.code == "no_working_sandbox"
    with pytest.raises(SandboxUnavailable) as refused:
        BubblewrapDriver().open(environment=debian(), package=package, commands=[], network=[], limits=Limits())
    assert refused.value.code == "bubblewrap_missing"


@pytest.mark.parametrize(
    ("stub", "word"),
    [
        ("#!/bin/sh\nexit 1\n", ""),
        ("#!/bin/sh\necho 'bwrap: Unknown option --disable-userns' >&2\nexit 1\n", "too old"),
        ("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n", "AppArmor"),
        ("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n", "user.max_user_namespaces"),
        ('#!/bin/bash\necho "{\\"child-pid\\": $$}" >&10; exec 10>&-; exec cat\n', ""),
    ],
    ids=["fails", "too-old", "apparmor", "no-namespaces", "confines-nothing"],
)
def test_a_bubblewrap_that_does_not_work_runs_nothing(
    package: Path, monkeypatch: pytest.MonkeyPatch, public_path: Path, stub: str, word: str
) -> None:
    canary = public_path / "canary"
    path = public_path / "bwrap"
    path.write_text(stub, encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("KEIKEN_BWRAP", str(path))
    capability = BubblewrapDriver().probe()
    assert not capability.working
    assert word in capability.advice
    with pytest.raises(SandboxUnavailable):
        working_driver("bubblewrap")
    with pytest.raises(SandboxUnavailable), using("bubblewrap"), opened(package) as sandbox:
        sandbox.run(["sh", "-c", f"echo ran > {canary}"], env={}, stdin=b"", timeout_seconds=5)
    assert not canary.exists()


STARTED_BARE = """#!/bin/bash
while [ "$1" != --pid-file ]; do shift; done
cat <&0 &
echo $! > "$2"
"""


@pytest.mark.parametrize(
    ("stub", "problem", "advice"),
    [
        ("#!/bin/sh\nexit 1\n", "could not make the sandbox", ""),
        ("#!/bin/sh\necho 'level=error msg=no space for a new namespace' >&2\nexit 1\n", "new namespace",
         "user.max_user_namespaces"),
        (STARTED_BARE, "_inner_user", ""),
    ],
    ids=["fails", "no-namespaces", "confines-nothing"],
)  # fmt: skip
def test_a_runc_that_does_not_work_runs_nothing(
    package: Path, monkeypatch: pytest.MonkeyPatch, public_path: Path, stub: str, problem: str, advice: str
) -> None:
    canary = public_path / "canary"
    path = public_path / "runc"
    path.write_text(stub, encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("KEIKEN_OCI_RUNTIME", str(path))
    capability = OciDriver().probe()
    assert not capability.working
    assert problem in capability.problem
    assert advice in capability.advice
    with pytest.raises(SandboxUnavailable), using("oci"), opened(package) as sandbox:
        sandbox.run(["sh", "-c", f"echo ran > {canary}"], env={}, stdin=b"", timeout_seconds=5)
    assert not canary.exists()


def test_gvisor_is_refused_by_name_and_not_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "runsc"
    path.write_text(f"#!/bin/sh\necho tried > {tmp_path}/tried\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("KEIKEN_OCI_RUNTIME", str(path))
    capability = OciDriver().probe()
    assert (capability.working, capability.isolation) == (False, "namespace")
    assert "gVisor" in capability.problem
    assert not (tmp_path / "tried").exists()
