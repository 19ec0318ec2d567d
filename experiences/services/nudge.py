"""What beat does every few seconds: nothing that waits is forgotten, whatever was lost."""

from __future__ import annotations

import random
from datetime import timedelta

from django.db.models.functions import Now

from experiences.models import PublicKey, Verification
from experiences.services.announce import held_somewhere
from experiences.services.append_to_log import is_missing
from experiences.services.claim import release_stale
from experiences.services.explore_frontier import waiting_frontiers
from experiences.services.queueing import MESSAGES, room_in, send

UNCLAIMED = timedelta(minutes=2)
"""After so long it is worth saying that no worker holds an environment."""


def nudge() -> dict[str, int]:
    """Give stale leases back, nudge for waiting rows, ask again for missing attestations. Counts of each."""
    released = release_stale()
    ready = Verification.objects.filter(state=Verification.State.QUEUED, not_before__lte=Now())
    waiting = ready.filter(quarantined_at__isnull=True).count()
    unexplored = waiting_frontiers().count()
    if waiting or unexplored:
        send("experiences.tasks.verify", "verify", [()] * min(waiting + unexplored, room_in("verify")))
        _note_unclaimed()
    return {"released": released, "waiting": waiting, "unsigned": _nudge_signing()}


def _nudge_signing() -> int:
    unsigned = list(
        Verification.objects.filter(state=Verification.State.DONE, attestation__isnull=True)
        .order_by("finished_at")
        .values_list("pk", flat=True)[:1000]
    )
    if unsigned:
        # By lot: one that cannot be signed must not hold up all others.
        chosen = random.sample(unsigned, min(len(unsigned), room_in("attest")))
        send("experiences.tasks.attest", "attest", [(str(pk),) for pk in chosen])
    elif not PublicKey.objects.exists() and room_in("attest") == MESSAGES:
        send("experiences.tasks.record_signing_key", "attest", [()])
    if is_missing():
        # Signed by others, or before there was a log; what is signed here is logged with it.
        send("experiences.tasks.append_to_log", "attest", [()])
    return len(unsigned)


def _note_unclaimed() -> None:
    """An environment that no worker holds is most often a typing error, of the publisher or of the operator."""
    rows = Verification.objects.filter(
        state=Verification.State.QUEUED, operator_note="", not_before__lte=Now() - UNCLAIMED
    ).exclude(environment_name__in=held_somewhere())
    for name in rows.values_list("environment_name", flat=True).distinct():
        rows.filter(environment_name=name).update(
            operator_note=f"No live worker holds the environment '{name}'. "
            "Name it in KEIKEN_ENVIRONMENTS of a worker that has it."
        )
