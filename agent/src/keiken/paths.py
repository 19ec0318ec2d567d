"""Where the agent keeps things on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """Built environments and downloaded packages: ``KEIKEN_CACHE_DIR``, else the system's or the user's cache."""
    if configured := os.environ.get("KEIKEN_CACHE_DIR"):
        return Path(configured)
    if os.geteuid() == 0:
        return Path("/var/cache/keiken")
    return platformdirs.user_cache_path("keiken")


def config_dir() -> Path:
    """Logins, pinned keys and saved reports: ``KEIKEN_CONFIG_DIR``, else the user's configuration folder."""
    if configured := os.environ.get("KEIKEN_CONFIG_DIR"):
        return Path(configured)
    return platformdirs.user_config_path("keiken")
