"""Logins and reports on disk: whole or not at all, for their owner only, and damage is told kindly."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from marketplaces import KEY

from keiken.client import Login, save_login, saved_login
from keiken.client.logins import check_key, login_path
from keiken.client.saved_reports import last_sent, load, remember_sent, reports_dir, save
from keiken.errors import KeikenError, UsageError
from keiken.replay.report import Report

LOGIN = Login("https://keiken.example", KEY, "globex", "tester")
SERVER = LOGIN.server


def report(number: int = 1, experience: str = "acme/x", version: str = "1.0.0") -> Report:
    return Report(
        replay_id=f"00000000-0000-4000-8000-{number:012}",
        experience=experience,
        version=version,
        digest="",
        outcome="succeeded",
        started_at=datetime(2026, 11, 23, tzinfo=UTC),
    )


def test_a_login_is_for_its_owner_only_and_does_not_show_its_key() -> None:
    save_login(LOGIN)
    assert saved_login() == LOGIN
    assert stat.S_IMODE(login_path().stat().st_mode) == 0o600
    assert stat.S_IMODE(login_path().parent.stat().st_mode) == 0o700
    assert KEY not in repr(LOGIN)
    assert [path.name for path in login_path().parent.iterdir()] == ["login.json"]


def test_nobody_is_logged_in_at_first() -> None:
    with pytest.raises(UsageError) as caught:
        saved_login()
    assert caught.value.code == "not_logged_in"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"server": "x"}', "\0"])
def test_a_damaged_login_is_named(content: str) -> None:
    login_path().parent.mkdir()
    login_path().write_text(content)
    with pytest.raises(UsageError, match=r"login\.json cannot be read") as caught:
        saved_login()
    assert caught.value.code == "login_damaged"


@pytest.mark.parametrize("text", ["", "secret", "kk_", "kk_short", KEY + "\nX-Evil: 1", "kk_é" + "a" * 20, KEY + " b"])
def test_what_is_no_key_is_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_key(text)
    assert caught.value.code == "key_malformed"
    assert text.strip() == "" or text.strip() not in str(caught.value.as_dict()).replace("kk_.", "")


def test_white_space_around_a_key_does_no_harm() -> None:
    assert check_key(f"  {KEY}\n") == KEY


def test_the_last_report_is_the_one_meant() -> None:
    first, second = report(1), report(2)
    save(first)
    path = save(second)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load() == second
    assert load(first.replay_id) == first
    assert load(str(path)) == second
    assert Report.model_validate_json(path.read_text()) == second


def test_reports_that_are_not_there_or_none() -> None:
    with pytest.raises(UsageError) as caught:
        load()
    assert caught.value.code == "report_missing"
    with pytest.raises(UsageError) as caught:
        load("00000000-0000-4000-8000-000000000009")
    assert caught.value.code == "report_missing"
    path = save(report())
    path.write_text(json.dumps({"outcome": "great"}))
    with pytest.raises(UsageError) as caught:
        load()
    assert caught.value.code == "report_malformed"


def test_the_last_sent_report_of_an_experience_is_found() -> None:
    remember_sent(report(1), SERVER, "s1")
    remember_sent(report(2), SERVER, "s2")
    remember_sent(report(3, version="2.0.0"), SERVER, "s3")
    remember_sent(report(4, experience="acme/other"), SERVER, "s4")
    remember_sent(report(5), "https://other.example", "s5")
    (reports_dir() / "damaged.sent.json").write_text("{")
    assert last_sent(SERVER, "acme/x").id == "s3"
    assert last_sent(SERVER, "acme/x", "1.0.0").id == "s2"
    with pytest.raises(UsageError) as caught:
        last_sent(SERVER, "acme/unknown")
    assert caught.value.code == "report_not_sent"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file")
    with pytest.raises(KeikenError) as caught:
        save_login(LOGIN)
    assert (caught.value.code, caught.value.exit_code) == ("disk_trouble", 1)
    assert "login.json" in caught.value.message
    assert KEY not in str(caught.value.as_dict())
