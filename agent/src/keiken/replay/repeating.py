"""When a step with ``retry`` is carried out again, and when it is only looked at again.

An attempt that looks failed may have done its work all the same: a service that takes a second to listen, a request
whose answer was lost. Carrying it out twice would do it twice. So another attempt needs a reason to be harmless:
either the action is idempotent by definition, or the step's own ``requires`` say that its effect is not there.
"""

from __future__ import annotations

from collections.abc import Callable

from keiken.errors import Diverged, Failed
from keiken.i18n import _
from keiken.package.manifest import Step


def why_not_again(step: Step, holds: Callable[[str], bool]) -> str:
    """Why the action must not be carried out again now; empty when it may be."""
    if step.is_idempotent:
        return ""
    if not step.requires:
        return _("it was not carried out again, since no 'requires' of the step says that its effect is not there")
    unmet = next((expression for expression in step.requires if not holds(expression)), None)
    if unmet is None:
        return ""
    return _("it was not carried out again, since this does not hold any more: {check}").format(check=unmet)


def explained(trouble: Diverged | Failed, why: str) -> Diverged | Failed:
    """The same trouble, and why it was not tried again."""
    if not why:
        return trouble
    return type(trouble)(trouble.code, f"{trouble.message} ({why})", trouble.advice, trouble.details)
