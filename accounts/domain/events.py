"""What an organization can be told of by webhooks. The names are stable; data may gain fields, never lose any."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

TEST: Final = "webhook.test"
EVENTS: Final[dict[str, str | Promise]] = {
    "version.published": _("A version of yours was published"),
    "version.yanked": _("A version of yours, or one you hold a license for, was withdrawn or put back"),
    "verification.concluded": _("A verification of a version of yours has ended"),
    "verdict.changed": _("A version of yours, or one you hold a license for, has another verdict than before"),
    "report.diverged": _("A replay of a version of yours diverged or failed in the field"),
    "license.granted": _("A license begins that you gave or hold"),
    "license.ended": _("A license has ended that you gave or held"),
    "review.posted": _("An experience of yours was rated or reviewed"),
    "moderation.decided": _("Reviewers decided to hide something of yours, or to show it again"),
    "order.paid": _("An order of yours, or for an offer of yours, is paid"),
}
