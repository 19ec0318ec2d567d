"""How allauth treats our people: in their own language, with audit rows for what it changes of an account."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language

from accounts.actors import Actor
from accounts.services import audit
from marketplace.language import keep_in_cookie


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> Any:
        """The language of the form they signed up with is theirs from then on."""
        language = get_language() or settings.LANGUAGE_CODE
        user.language = language if language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
        with transaction.atomic():
            saved = super().save_user(request, user, form, commit)
            if commit:
                _record(saved, "person.register")
        return saved

    def set_password(self, user: Any, password: str) -> None:
        """By its person, signed in or with a link that was mailed to them."""
        with transaction.atomic():
            super().set_password(user, password)
            _record(user, "person.password")

    def post_login(self, request: HttpRequest, user: Any, **parts: Any) -> HttpResponse:
        """Whatever this browser spoke before, it now speaks the person's language."""
        response: HttpResponse = super().post_login(request, user, **parts)
        keep_in_cookie(response, user.language)
        return response


def _record(person: Any, action: str) -> None:
    audit.record(actor=Actor(kind="person", id=person.pk, name=str(person)), action=action, target=person.email)
