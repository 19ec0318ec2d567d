"""The forms of a page as a browser would send them, read from its HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

TEXT_TYPES = ("", "text", "search", "email", "url", "tel", "password", "number")


@dataclass
class Form:
    method: str
    action: str
    kept: dict[str, str] = field(default_factory=dict)
    """What is sent as the page has it: hidden fields, choices, the first button with a name."""
    texts: dict[str, str] = field(default_factory=dict)
    """Fields a person writes into: name and type, or ``pattern`` where the page says how it must look."""

    @property
    def shape(self) -> tuple[str, ...]:
        return (self.method, self.action, self.kept.get("do", ""), *sorted(self.texts))


class _Reader(HTMLParser):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("method", "get").lower(), given.get("action") or self.path)
            self.forms.append(self._open)
        if self._open is None:
            return
        name, value, kind = given.get("name", ""), given.get("value", ""), given.get("type", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and (self._select not in self._open.kept or "selected" in given):
            self._open.kept[self._select] = value
        elif tag == "button" and name and name not in self._open.kept:
            self._open.kept[name] = value
        elif tag == "textarea" and name:
            self._open.texts[name] = "textarea"
        elif tag == "input" and name and kind in TEXT_TYPES:
            self._open.texts[name] = "pattern" if "pattern" in given else kind or "text"
        elif tag == "input" and name and kind != "file":
            self._open.kept.setdefault(name, value or "on")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        if tag == "select":
            self._select = ""


def forms_of(html: str, path: str) -> list[Form]:
    """All forms into which something can be written."""
    reader = _Reader(path)
    reader.feed(html)
    return [form for form in reader.forms if form.texts]
