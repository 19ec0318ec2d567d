import gc

# Nearly nothing that starting makes is garbage, and Python would look for it some hundred times.
gc.set_threshold(50_000, 20, 50)

from marketplace.celery import app as celery_app  # noqa: E402  # what it loads is what this is about

__all__ = ["celery_app"]
