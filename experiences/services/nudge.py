"""What beat does every few seconds: nothing that waits is forgotten, whatever was lost."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from experiences.models import Verification
from experiences.services.claim import release_stale
from experiences.services.conclude import request_attestation
from experiences.services.enqueue_verification import nudge_after_commit

MESSAGES = 20


def nudge() -> dict[str, int]:
    """Give stale leases back, nudge for waiting rows, ask again for missing attestations. Counts of each."""
    released = release_stale()
    waiting = Verification.objects.filter(state=Verification.State.QUEUED, not_before__lte=timezone.now()).count()
    nudge_after_commit(min(waiting, MESSAGES))
    unsigned = list(
        Verification.objects.filter(Q(state=Verification.State.DONE) & Q(attestation__isnull=True)).order_by(
            "finished_at"
        )[:MESSAGES]
    )
    for row in unsigned:
        request_attestation(row)
    return {"released": released, "waiting": waiting, "unsigned": len(unsigned)}
