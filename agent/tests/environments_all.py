"""What the large environments are for, tried inside: run by ``make environments-all``, after it has built them.

They take minutes to fetch on an empty machine, so that ``make test`` leaves them out.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from sandboxes import opened, package_at, shell, using

from keiken.sandbox import environments

_PAGE = """<!doctype html><title>plain</title><p id="shown">not yet</p>
<script>document.getElementById("shown").textContent = "six times seven is " + 6 * 7;</script>
"""
_CHROMIUM = "chromium-headless-shell --no-sandbox --user-data-dir=/tmp/profile --disable-gpu --virtual-time-budget=2000"
_COMMANDS = ("sh", "cat", "head", "chromium-headless-shell", "date", "sort", "printf", "python3", "nkf", "locale")


@pytest.mark.parametrize("driver", ["bubblewrap", "oci"])
def test_chromium_runs_a_page_and_shows_what_became_of_it(driver: str, tmp_path: Path) -> None:
    package = package_at(tmp_path / "sample")
    (package / "assets" / "page.html").write_text(_PAGE, encoding="utf-8")
    environment = environments.get("debian-12-browser")
    with (
        using(driver),
        opened(package, environment=environment, commands=_COMMANDS, memory_mib=1024, pids=256) as sandbox,
    ):
        shown = shell(sandbox, f"{_CHROMIUM} --dump-dom file:///job/assets/page.html", seconds=60)
        assert (shown.exit_code, shown.reason) == (0, "exited"), shown.stderr.decode()
        assert '<p id="shown">six times seven is 42</p>' in shown.stdout.decode()
        printed = shell(sandbox, f"{_CHROMIUM} --print-to-pdf=work/page.pdf file:///job/assets/page.html", seconds=60)
        assert printed.exit_code == 0, printed.stderr.decode()
        assert (sandbox.read("work/page.pdf").content or b"").startswith(b"%PDF-")


def test_a_browser_reaches_nothing_beyond_the_sandbox(tmp_path: Path) -> None:
    environment = environments.get("debian-12-browser")
    package = package_at(tmp_path / "sample")
    with opened(package, environment=environment, commands=_COMMANDS, memory_mib=1024, pids=256) as sandbox:
        shown = shell(sandbox, f"{_CHROMIUM} --dump-dom http://192.0.2.1/", seconds=60)
    assert b"ERR_INTERNET_DISCONNECTED" in shown.stdout + shown.stderr or b"ERR_ADDRESS_UNREACHABLE" in shown.stdout


def test_japanese_is_spoken(tmp_path: Path) -> None:
    with opened(
        package_at(tmp_path / "s"), environment=environments.get("debian-12-ja"), commands=_COMMANDS
    ) as sandbox:
        day = shell(sandbox, "date -u -d 2026-11-23 +%A%x", LC_ALL="ja_JP.UTF-8")
        assert day.stdout.decode() == "月曜日2026年11月23日\n"
        ordered = shell(sandbox, "printf 'う\\nあ\\nん\\nい\\n' | sort", LC_ALL="ja_JP.UTF-8")
        assert ordered.stdout.decode() == "あ\nい\nう\nん\n"
        assert shell(sandbox, "printf 'あ' | nkf -W -e").stdout == "あ".encode("euc-jp")
        assert sandbox.run(
            ["cat", "/etc/default/locale"], env={}, stdin=b"", timeout_seconds=10
        ).stdout == b"LANG=ja_JP.UTF-8\n"  # fmt: skip


def test_a_virtual_environment_can_be_made_without_the_network(tmp_path: Path) -> None:
    package, environment = package_at(tmp_path / "s"), environments.get("debian-12-python")
    with opened(package, environment=environment, commands=(*_COMMANDS, "pytest"), work_mib=128) as sandbox:
        made = shell(sandbox, "python3 -m venv work/own && python3 -m pip --version && pytest --version", seconds=60)
        assert made.exit_code == 0, made.stderr.decode()
        assert sandbox.read("work/own/pyvenv.cfg").kind == "file"


@pytest.mark.parametrize("name", ["debian-12-browser", "debian-12-ja", "debian-12-python"])
def test_what_its_base_has_is_not_stored_again(name: str) -> None:
    base, environment = environments.get("debian-12"), environments.get(name)
    assert (environment.root / "usr/bin/git").stat().st_ino == (base.root / "usr/bin/git").stat().st_ino
    environments.verify(name)
    environments.verify("debian-12")


def test_built_alone_or_from_a_common_system_they_are_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["debian-12-data", "debian-12-web"]
    monkeypatch.setenv("KEIKEN_CACHE_DIR", str(tmp_path / "together"))
    together = environments.build_each(names)
    monkeypatch.setenv("KEIKEN_CACHE_DIR", str(tmp_path / "alone"))
    assert [environments.build(name).digest for name in names] == [one.digest for one in together]
