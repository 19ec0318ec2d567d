"""Builds a root file system from Debian packages with mmdebstrap, from the machine's own apt sources, the same bits
each time.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from keiken.errors import SandboxUnavailable
from keiken.i18n import _
from keiken.sandbox.recipe import Recipe

Progress = Callable[[str], None]
_EPOCH = "1735689600"
"""2025-01-01: what the build takes for "now", so that two builds of the same packages agree."""
_BUILD_SECONDS = 1800
_ENDS_WITH_US = ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--mount-proc", "--kill-child"]
"""Before a command: its processes and what it mounts are gone when it has ended, and when its owner was killed."""
_EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*")
_EMPTIED = (
    "dev", "etc/apt/auth.conf.d", "etc/apt/sources.list.d", "etc/apt/trusted.gpg.d", "etc/ssl/private", "root", "run",
    "tmp", "var/cache", "var/lib/apt/lists", "var/lib/postgresql", "var/lib/systemd", "var/log", "var/tmp",
)  # fmt: skip
_REMOVED = (
    "etc/.pwd.lock", "etc/apt/apt.conf.d/99mmdebstrap", "etc/apt/sources.list", "etc/group-", "etc/gshadow",
    "etc/gshadow-", "etc/passwd-", "etc/resolv.conf", "etc/shadow", "etc/shadow-",
    "etc/ssl/certs/ssl-cert-snakeoil.pem",
    "etc/subgid-", "etc/subuid-", "var/lib/dpkg/diversions-old", "var/lib/dpkg/status-old", "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend", "var/lib/dbus/machine-id",
)  # fmt: skip
_MOUNT_POINTS = ("dev", "home/job", "job", "proc", "run", "sys", "tmp", "var/tmp")
_DEBIAN_PLACE = re.compile(r"/debian(-security)?/?$")
_LINE = re.compile(r"^\s*deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<address>\S+)\s+(?P<suite>\S+)\s")


def check_buildable() -> None:
    """Raises SandboxUnavailable, saying what to install or do, when this machine cannot build environments."""
    if os.geteuid() != 0:
        _refuse(
            _("Only root can build an environment."),
            _("Run 'sudo keiken environments build' once; or use the environment 'local', this machine's own /usr."),
        )
    if shutil.which("mmdebstrap") is None:
        _refuse(
            _("mmdebstrap is not installed, so no environment can be built."), _("Run 'apt-get install mmdebstrap'.")
        )
    if not sources("bookworm"):
        _refuse(
            _("This machine's apt sources name no Debian archive, so no Debian environment can be built."),
            _("Add a Debian source to /etc/apt/sources.list.d, or use the environment 'local'."),
        )


def _refuse(message: str, advice: str) -> None:
    raise SandboxUnavailable("environment_not_buildable", message, advice)


def sources(suite: str) -> str:
    """The machine's Debian archives as one-line apt sources for the suite; empty where there are none."""
    lines = []
    for address, keyring in dict.fromkeys(_archives()):
        option = f"[signed-by={keyring}] " if keyring else ""
        suites = [f"{suite}-security"] if "security" in address else [suite, f"{suite}-updates"]
        lines += [f"deb {option}{address} {name} main" for name in suites]
    return "".join(line + "\n" for line in lines)


def _archives() -> Iterator[tuple[str, str]]:
    """(address, keyring file or "") of each Debian archive the machine's apt knows."""
    folder = Path("/etc/apt")
    for path in sorted(folder.glob("sources.list.d/*.sources")):
        for paragraph in re.split(r"\n\s*\n", _text(path)):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", paragraph, re.MULTILINE))
            if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes").lower() != "no":
                for address in fields.get("URIs", "").split():
                    yield from _debian_only(address, fields.get("Signed-By", ""))
    for path in [folder / "sources.list", *sorted(folder.glob("sources.list.d/*.list"))]:
        for line in _text(path).splitlines():
            if found := _LINE.match(line):
                options = dict(word.split("=", 1) for word in (found["options"] or "").split() if "=" in word)
                yield from _debian_only(found["address"], options.get("signed-by", ""))


def _debian_only(address: str, keyring: str) -> Iterator[tuple[str, str]]:
    if _DEBIAN_PLACE.search(address):
        yield address, keyring if keyring.startswith("/") and Path(keyring).is_file() else ""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def build_system(suite: str, target: Path, progress: Progress) -> None:
    """Fill the absent folder ``target`` with the essential packages of a suite and the lists of what else there is.

    It is a root half-way: ``build_root`` goes on from a copy. Raises SandboxUnavailable.
    """
    check_buildable()
    progress(_("{suite}: fetching and unpacking Debian's base").format(suite=suite))
    words = ["--variant=essential", "--skip=cleanup"]  # the lists and the settings are wanted again
    _run_mmdebstrap(_command(suite, target, words), lambda said: progress(f"{suite}: {said}"))


def build_root(recipe: Recipe, target: Path, progress: Progress, system: Path | None = None) -> None:
    """Fill the absent folder ``target``; from a copy of ``system`` the same bits in half the time.

    Raises SandboxUnavailable with mmdebstrap's last words.
    """
    check_buildable()
    progress(_("{name}: fetching and unpacking {count} packages and Debian's base").format(
        name=recipe.name, count=len(recipe.packages)))  # fmt: skip
    words = ["--variant=minbase", *_own_words(recipe)]
    if system is not None:
        words += ["--skip=update", f'--setup-hook=cp -a {shlex.quote(str(system))}/. "$1"']
    _run_mmdebstrap(_command(recipe.suite, target, words), lambda said: progress(f"{recipe.name}: {said}"))
    progress(_("{name}: cleaning").format(name=recipe.name))
    clean(target)
    for path, text in recipe.files:
        _write_own(recipe.name, target, path, text)


def _command(suite: str, target: Path, own: list[str]) -> list[str]:
    source_list = target.with_name("sources.list")
    source_list.write_text(sources(suite), encoding="utf-8")
    words = ["mmdebstrap", "--mode=root", "--format=directory"]
    words += [f"--dpkgopt=path-exclude={pattern}" for pattern in _EXCLUDED]
    words += ["--dpkgopt=path-include=/usr/share/locale/locale.alias"]
    words += [f"--aptopt={option}" for option in _machine_options()]
    return [*words, *own, suite, str(target), str(source_list)]


def _own_words(recipe: Recipe) -> list[str]:
    words = [f"--include={','.join(sorted(recipe.packages))}"]
    if "postgresql" in recipe.packages:  # no database of its own: procedures make theirs
        folder = '"$1/etc/postgresql-common"'
        hook = f"mkdir -p {folder}; echo create_main_cluster=false > {folder}/createcluster.conf"
        words += [f"--essential-hook={hook}"]
    for locale in recipe.locales:
        name, _dot, charset = locale.partition(".")
        words += [f'--customize-hook=chroot "$1" localedef -i {name} -f {charset} {locale}']
    return words


def _write_own(name: str, root: Path, path: str, text: str) -> None:
    """One of the recipe's own files, never through a link: an absolute one would lead out of the root."""
    place = root
    for part in path.strip("/").split("/")[:-1]:
        place /= part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise SandboxUnavailable(
                "recipe_file_misplaced",
                _("The recipe '{name}' puts a file at '{path}', but '{place}' is no folder there.").format(
                    name=name, path=path, place=f"/{place.relative_to(root)}"
                ),
                _("Give the path of a real folder in the recipe's 'files'."),
            )
        place.mkdir(mode=0o755, exist_ok=True)
    file = place / path.rpartition("/")[2]
    file.unlink(missing_ok=True)
    file.write_text(text, encoding="utf-8")
    os.utime(file, (int(_EPOCH), int(_EPOCH)))
    file.chmod(0o644)


def _machine_options() -> list[str]:
    """How this machine's apt reaches its archives (proxies, clock checks); used for the build, not kept in the
    result.
    """
    done = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, timeout=30, check=False)
    wanted = re.compile(r"^Acquire::(https?::|Check-Valid-Until|Check-Date|ForceIPv4|Retries).* \"[^\"]+\";$")
    return [line for line in done.stdout.splitlines() if wanted.match(line)]


def _run_mmdebstrap(command: list[str], progress: Progress) -> None:
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "SOURCE_DATE_EPOCH": _EPOCH,
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }
    last: deque[str] = deque(maxlen=12)
    with subprocess.Popen(
        [*_ENDS_WITH_US, *command], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, errors="replace", umask=0o022,
    ) as process:  # fmt: skip
        timer = threading.Timer(_BUILD_SECONDS, process.kill)
        timer.start()
        assert process.stderr is not None
        try:
            for line in process.stderr:
                last.append(line.rstrip())
                if line.startswith("I: "):
                    progress(line[3:].strip())
        except BaseException:  # an interruption, or nobody to tell of it any more: all of it ends with this process
            process.kill()
            process.wait()
            raise
        finally:
            timer.cancel()
    if process.returncode != 0:
        raise SandboxUnavailable(
            "environment_build_failed",
            _("mmdebstrap could not build the environment: {words}").format(words=" / ".join(list(last)[-3:])),
            _("See that apt-get update works on this machine, then try again."),
            {"words": list(last)},
        )


def clean(root: Path) -> None:
    """Take out all that differs from build to build or could help an attacker; make the mount points."""
    for name in _EMPTIED:
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True, mode=0o755, exist_ok=True)
    for name in _REMOVED:
        (root / name).unlink(missing_ok=True)
    for name in _MOUNT_POINTS:
        (root / name).mkdir(parents=True, mode=0o755, exist_ok=True)
    for link in (root / "etc/ssl/certs").glob("*"):
        if link.is_symlink() and not link.exists() and not os.readlink(link).startswith("/"):
            link.unlink()  # the removed machine certificate had a hashed name as well
    write_identity(root / "etc")
    for path in [root, *root.rglob("*")]:
        _own(path)


def write_identity(etc: Path) -> None:
    """The few files that tell a program who and where it is, the same in every environment."""
    users = (
        _text(etc / "passwd") or "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
    )
    groups = _text(etc / "group") or "root:x:0:\nnogroup:x:65534:\n"
    (etc / "passwd").write_text(users + "job:x:1000:1000:job:/home/job:/bin/sh\n", encoding="utf-8")
    (etc / "group").write_text(groups + "job:x:1000:\n", encoding="utf-8")
    (etc / "hostname").write_text("sandbox\n", encoding="utf-8")
    (etc / "hosts").write_text("127.0.0.1 localhost sandbox\n::1 localhost ip6-localhost\n", encoding="utf-8")
    (etc / "machine-id").write_text("", encoding="utf-8")


def _own(path: Path) -> None:
    """Owned by root, without set-user-id, set-group-id or devices."""
    found = path.lstat()
    os.chown(path, 0, 0, follow_symlinks=False)
    if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
        path.unlink()
    elif not stat.S_ISLNK(found.st_mode):
        path.chmod(
            stat.S_IMODE(found.st_mode) & 0o1777 & ~0o022
            if stat.S_ISREG(found.st_mode)
            else stat.S_IMODE(found.st_mode) & 0o755
        )
