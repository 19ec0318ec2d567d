"""Signing workers that are killed with -9 while they sign: whatever they leave is whole, and the rest is done later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from experiences.models import Attestation, LogEntry, LogHead, PublicKey, Summary
from experiences.services.append_to_log import append_missing
from experiences.services.attest import attest
from keiken.trust import PublicKey as TrustedKey
from keiken.trust.checkpoints import read_checkpoint
from keiken.trust.merkle import completed_by, leaf_hash, root
from tests import factories
from tests.experiences.conftest import concluded, publish

CODE = """
import os, signal, sys
import django
django.setup()
from django.conf import settings
from django.db import connection
settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = sys.argv[1]
from pathlib import Path
settings.KEIKEN = settings.KEIKEN.model_copy(update={"data_dir": Path(sys.argv[2])})
from experiences.services import append_to_log, attest
place = sys.argv[3]
def die(*_arguments, **_named):
    os.kill(os.getpid(), signal.SIGKILL)
if place == "entry":
    append_to_log.LogNode.objects.bulk_create = die
elif place == "checkpoint":
    append_to_log.sign_checkpoint = die
elif place == "commit":
    attest.audit.record = die
attest.attest(verification_id=sys.argv[4])
if place == "after":
    die()
"""


@pytest.mark.django_db(transaction=True)
def test_a_signer_killed_anywhere_leaves_one_entry_for_each_attestation_and_no_gap(settings: Any) -> None:
    version = publish(factories.organization("acme"))
    whole = 0
    for place in ("entry", "checkpoint", "commit", "after"):
        row = concluded(version)
        assert killed(place, str(row.pk), settings) == -signal.SIGKILL
        whole += 2 if place == "after" else 0
        assert LogEntry.objects.count() == whole
        assert attest(verification_id=str(row.pk)) is not None
        whole += 0 if place == "after" else 2
        assert (LogEntry.objects.count(), LogHead.objects.get().size) == (whole, whole)
    assert append_missing() == 0
    assert (Attestation.objects.count(), Summary.objects.count()) == (4, 4)
    assert list(LogEntry.objects.order_by("index").values_list("index", flat=True)) == list(range(8))
    check_whole()


def killed(place: str, verification_id: str, settings: Any) -> int:
    database = connection.settings_dict["NAME"]
    arguments = [str(database), str(settings.KEIKEN.data_dir), place, verification_id]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", CODE, *arguments]
    root_folder = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, check=False, capture_output=True, env=environment, cwd=root_folder)
    assert done.returncode < 0, done.stderr.decode()
    return done.returncode


def check_whole() -> None:
    """The signed root is the one that all entries together give."""
    nodes: dict[tuple[int, int], bytes] = {}

    def lookup(level: int, place: int) -> bytes:
        return nodes[level, place]

    leaves = list(LogEntry.objects.order_by("index").values_list("leaf", flat=True))
    for index, leaf in enumerate(leaves):
        for level, place, value in completed_by(index, leaf_hash(leaf.encode()), lookup):
            nodes[level, place] = value
    keys = [TrustedKey.from_base64(row.public_key) for row in PublicKey.objects.all()]
    note = read_checkpoint(LogHead.objects.get().checkpoint, keys)
    assert (note.size, note.root) == (len(leaves), root(len(leaves), lookup))
