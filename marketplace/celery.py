"""The Celery application: the rows are the jobs, the messages only nudge."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

app = Celery("keiken")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
