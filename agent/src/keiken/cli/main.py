"""``keiken``: the command line of agents, publishers and buyers."""

from __future__ import annotations

import gc

import click

from keiken import __version__
from keiken.cli.command import Commands
from keiken.i18n import _

# A command lives briefly, and nearly nothing that its modules make is garbage.
gc.set_threshold(50_000, 20, 50)

MODULES = {
    "facts": "facts",
    "record": "record",
    "init": "init",
    "check": "check",
    "pack": "pack",
    "login": "login",
    "publish": "publish",
    "search": "search",
    "show": "show",
    "accept": "accept",
    "buy": "buy",
    "licenses": "licenses",
    "pull": "pull",
    "frontier": "frontier",
    "reverification": "reverification",
    "attestations": "attestations",
    "vouch": "vouch",
    "replay": "replay",
    "report": "report",
    "rate": "rate",
    "ratings": "ratings",
    "flag": "flag",
    "environments": "environments",
    "sandbox": "sandbox",
}
"""Command to module, in the order of the main job."""


@click.group(
    cls=Commands,
    modules=MODULES,
    help=_("Record procedures, prove them in sandboxes, share them, and replay what holds here, without a model."),
    epilog=_("Exit codes: 0 done, 1 usage or internal error, 3 refused (nothing was touched), 4 diverged, 5 failed."),
)
@click.version_option(__version__, prog_name="keiken", message="%(prog)s %(version)s")
def main() -> None:
    """The group itself does nothing."""
