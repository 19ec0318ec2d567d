"""Names nobody can claim as an organization: they are, or may become, parts of addresses or speak for the platform."""

from __future__ import annotations

from typing import Final

_ADDRESSES = """
about accounts admin api browse docs experiences facts healthz help me new offers organizations search security settings
signing-keys static status support switch terms versions www
"""
_VOICES = "keiken official root system"
RESERVED_SLUGS: Final = frozenset(_ADDRESSES.split()) | frozenset(_VOICES.split())
