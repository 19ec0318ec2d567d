"""Celery's way into licensing: each task calls one use case. A message is a nudge; the rows are the jobs."""

from __future__ import annotations

import logging

from celery import shared_task

from licensing.services.bill_metered import bill_metered
from licensing.services.change_order import expire_orders
from licensing.services.end_grants import end_grants
from licensing.services.pay_out import pay_out_all
from licensing.services.receive_event import process_waiting
from licensing.services.reconcile import reconcile
from licensing.services.report_usage import report_usage
from licensing.services.sign_licenses import sign_licenses

logger = logging.getLogger(__name__)


@shared_task(name="licensing.tasks.end_grants")
def end_grants_task() -> int:
    return end_grants()


@shared_task(name="licensing.tasks.sign_licenses", acks_late=True, ignore_result=True)
def sign_licenses_task() -> int:
    return sign_licenses()


@shared_task(name="licensing.tasks.process_events", acks_late=True, ignore_result=True)
def process_events_task() -> int:
    return process_waiting()


@shared_task(name="licensing.tasks.report_usage", acks_late=True, ignore_result=True)
def report_usage_task() -> int:
    return report_usage()


@shared_task(name="licensing.tasks.reconcile")
def reconcile_task() -> int:
    """Differences are told to the operator; the books are right afterwards."""
    expire_orders()
    bill_metered()
    pay_out_all()
    differences, unasked = reconcile()
    for difference in differences:
        logger.warning("%s was %s and is %s", difference.order, difference.before, difference.after)
    for order in unasked:
        logger.warning("%s: the payment provider could not be asked", order)
    return len(differences)
