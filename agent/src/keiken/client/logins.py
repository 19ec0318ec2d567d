"""The saved login: which marketplace, which key, for which organization. Readable by its owner only."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from keiken.client.client import Client
from keiken.client.download import disk_trouble
from keiken.client.references import server_address
from keiken.errors import UsageError
from keiken.i18n import _
from keiken.paths import config_dir
from keiken.trust import Pins

API_KEY = re.compile(r"kk_[0-9A-Za-z_]{8,200}")


@dataclass(frozen=True)
class Login:
    server: str
    api_key: str = field(repr=False)
    organization: str
    principal: str

    def client(self) -> Client:
        return Client(self.server, self.api_key)


def login_path() -> Path:
    return config_dir() / "login.json"


def pins() -> Pins:
    return Pins(config_dir() / "pins.json")


def check_key(text: str) -> str:
    """The key without white space around. Raises UsageError ``key_malformed``; never repeats the text."""
    key = text.strip()
    if not API_KEY.fullmatch(key):
        raise UsageError(
            "key_malformed",
            _("This is no API key of a Keiken marketplace: those begin with kk_."),
            _("Copy the whole key as the site showed it once, or make a new one there."),
        )
    return key


def saved_login() -> Login:
    """Raises UsageError ``not_logged_in`` or ``login_damaged``."""
    path = login_path()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Login(
            server_address(str(document["server"])),
            check_key(str(document["api_key"])),
            str(document["organization"]),
            str(document["principal"]),
        )
    except FileNotFoundError:
        raise UsageError(
            "not_logged_in",
            _("You are not signed in to a marketplace."),
            _("Sign in with 'keiken login --server URL'."),
        ) from None
    except (OSError, ValueError, KeyError, TypeError, UsageError):
        raise UsageError(
            "login_damaged", _("The saved login {path} cannot be read.").format(path=path), _("Sign in again.")
        ) from None


def save_login(login: Login) -> None:
    write_private(login_path(), asdict(login))


def write_private(path: Path, document: Any) -> None:
    """Write JSON whole or not at all, for its owner's eyes. Raises KeikenError ``disk_trouble``."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            json.dump(document, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except OSError as error:
        raise disk_trouble(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
