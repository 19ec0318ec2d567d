"""Who acts, for which organization, and what they may do: the one value every use case starts from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from django.utils.translation import gettext as _

from accounts.domain.refusals import Forbidden, Unauthenticated

Role = Literal["owner", "publisher", "buyer", "viewer"]
Scope = Literal["read", "publish", "license", "purchase", "download", "report", "rate", "admin"]

SCOPES: tuple[Scope, ...] = ("read", "publish", "license", "purchase", "download", "report", "rate", "admin")
ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    "owner": frozenset(SCOPES),
    "publisher": frozenset({"read", "publish", "download", "report", "rate"}),
    "buyer": frozenset({"read", "license", "purchase", "download", "report", "rate"}),
    "viewer": frozenset({"read"}),
}
AGENT_SCOPES: frozenset[Scope] = frozenset({"read", "publish", "license", "purchase", "download", "report", "rate"})
"""An agent never administers: a leaked key must not be able to make further keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person or an agent acting for one organization, or a stranger (``kind == "anonymous"``)."""

    kind: Literal["anonymous", "person", "agent", "system"]
    id: int | None = None
    name: str = ""
    organization_id: int | None = None
    organization_slug: str = ""
    group_id: int | None = None
    """The organization's django Group: guardian's object permissions are given to it."""
    scopes: frozenset[Scope] = field(default_factory=frozenset)
    api_key_id: int | None = None
    is_operator: bool = False

    @property
    def is_known(self) -> bool:
        return self.kind != "anonymous"

    def acts_for(self, organization_id: int) -> bool:
        return self.organization_id == organization_id

    def seen_from_outside(self) -> Actor:
        """The actor as another organization may know them: without ids, and never by an e-mail address."""
        is_address = "@" in self.name
        name = f"someone of {self.organization_slug}" if is_address else self.name
        return replace(self, id=None, api_key_id=None, name=name)

    def require_known(self) -> None:
        """Raises Unauthenticated for a stranger."""
        if not self.is_known:
            raise Unauthenticated(
                "authentication_required",
                _("This needs a signed-in person or an API key."),
                _("Sign in, or send 'Authorization: Bearer kk_…'."),
            )

    def require(self, scope: Scope, organization_id: int | None = None) -> None:
        """Raises Unauthenticated for a stranger, Forbidden without the scope or for another organization."""
        self.require_known()
        if organization_id is not None and not self.acts_for(organization_id):
            raise Forbidden(
                "wrong_organization",
                _("You are acting for another organization."),
                _("Choose the organization that owns this in the menu, or use a key of it."),
            )
        if scope not in self.scopes:
            raise Forbidden(
                "scope_missing",
                _("This needs the scope '{scope}', which your key or role does not have.").format(scope=scope),
                _("Ask an owner of your organization for a key or a role with it."),
                {"scope": scope},
            )


ANONYMOUS = Actor(kind="anonymous")
SYSTEM = Actor(kind="system", name="keiken")
