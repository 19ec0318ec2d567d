"""Who says so, and can it be checked: keys, envelopes, statements, pins."""

from keiken.trust.envelopes import sign, verify
from keiken.trust.keys import PublicKey, SigningKey
from keiken.trust.pins import Pins, succession
from keiken.trust.statements import Claim, Verified, check_statement, check_subject, read_claim, verification_statement

__all__ = [
    "Claim",
    "Pins",
    "PublicKey",
    "SigningKey",
    "Verified",
    "check_statement",
    "check_subject",
    "read_claim",
    "sign",
    "succession",
    "verification_statement",
    "verify",
]
