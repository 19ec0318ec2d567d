"""The HTTP SDK of a Keiken marketplace, the saved login, and what was pulled."""

from keiken.client.client import Client
from keiken.client.download import Downloaded
from keiken.client.licenses import count_replay, require_license, tell_receipts
from keiken.client.logins import Login, pins, save_login, saved_login
from keiken.client.proofs import Proofs, check_proofs
from keiken.client.pulled import Pulled, claims_of, find, pull, standing, verified_claims
from keiken.client.references import Reference, server_address
from keiken.client.refusals import ServerRefusal, ServerTrouble

__all__ = [
    "Client",
    "Downloaded",
    "Login",
    "Proofs",
    "Pulled",
    "Reference",
    "ServerRefusal",
    "ServerTrouble",
    "check_proofs",
    "claims_of",
    "count_replay",
    "find",
    "pins",
    "pull",
    "require_license",
    "save_login",
    "saved_login",
    "server_address",
    "standing",
    "tell_receipts",
    "verified_claims",
]
