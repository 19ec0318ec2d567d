"""The Celery application: the rows are the jobs, the messages only nudge."""

import os
from typing import Any

from celery import Celery
from celery.signals import celeryd_init

from marketplace.guard import forbid_host_executor

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

app = Celery("keiken")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
def _guard_worker(**_arguments: Any) -> None:
    """Before the worker forks, so that every child has it too."""
    forbid_host_executor()
