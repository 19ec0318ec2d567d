"""The HTTP SDK of a Keiken marketplace, the saved login, and what was pulled."""

from keiken.client.client import Client
from keiken.client.download import Downloaded
from keiken.client.logins import Login, pins, save_login, saved_login
from keiken.client.pulled import Pulled, check_license, claims_of, find, pull, standing, verified_claims
from keiken.client.references import Reference, server_address
from keiken.client.refusals import ServerRefusal, ServerTrouble

__all__ = [
    "Client",
    "Downloaded",
    "Login",
    "Pulled",
    "Reference",
    "ServerRefusal",
    "ServerTrouble",
    "check_license",
    "claims_of",
    "find",
    "pins",
    "pull",
    "save_login",
    "saved_login",
    "server_address",
    "standing",
    "verified_claims",
]
