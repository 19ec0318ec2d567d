"""An operator lets texts that wait for a vector be tried again at once, before their pause is over."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.actors import Actor
from accounts.services import audit
from accounts.services.outbox import nudge_after_commit
from experiences.embedding import space
from experiences.models import Embedding
from experiences.services.embedding_rows import TASK


def retry_embeddings(*, actor: Actor) -> int:
    """Make due what waits and nobody works on, in batches again and its attempts forgotten. How many."""
    with transaction.atomic(durable=True):
        is_free = Q(lease_until__isnull=True) | Q(lease_until__lte=Now())
        waiting = Embedding.objects.select_for_update().filter(is_free, made_at__isnull=True, space=space())
        chosen = list(waiting.order_by("pk").values_list("pk", flat=True))
        Embedding.objects.filter(pk__in=chosen).update(not_before=Now(), attempts=0, is_alone=False)
        audit.record(actor=actor, action="embedding.retry", target=space(), details={"texts": len(chosen)})
        nudge_after_commit(TASK)
    return len(chosen)
