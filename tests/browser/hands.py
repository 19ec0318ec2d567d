"""Two ways to use a page: with a mouse, and with nothing but a keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from playwright.sync_api import Locator, Page

TABS_MAX: Final = 150
FOCUS_SEEN = """(element) => {
  const style = getComputedStyle(element);
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""


class Hands(Protocol):
    """``css`` names an element of the page; the first that can be seen is meant."""

    page: Page

    def press(self, css: str) -> None:
        """A link, a button, the summary of a fold, or a box to tick."""

    def write(self, css: str, text: str) -> None: ...

    def choose(self, css: str, value: str) -> None:
        """An option of a select, by its value."""

    def attach(self, css: str, file: Path) -> None: ...


def seen(page: Page, css: str) -> Locator:
    return page.locator(css).filter(visible=True).first


class Mouse:
    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, css: str) -> None:
        seen(self.page, css).click()

    def write(self, css: str, text: str) -> None:
        seen(self.page, css).fill(text)

    def choose(self, css: str, value: str) -> None:
        seen(self.page, css).select_option(value)

    def attach(self, css: str, file: Path) -> None:
        seen(self.page, css).set_input_files(file)


class Keyboard:
    """Tab until the element has the focus, and see that the focus shows; the skip link saves the way to the content."""

    def __init__(self, page: Page) -> None:
        self.page = page
        # Who listens only when a key was pressed may listen too late: the browser then asks a person for the file.
        page.on("filechooser", lambda _chooser: None)

    def press(self, css: str) -> None:
        element = self._go_to(css)
        tag, kind = element.evaluate("(element) => [element.tagName, element.type]")
        self.page.keyboard.press("Space" if tag == "INPUT" and kind in ("checkbox", "radio") else "Enter")

    def write(self, css: str, text: str) -> None:
        self._go_to(css)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)

    def choose(self, css: str, value: str) -> None:
        element = self._go_to(css)
        self.page.keyboard.press("Home")
        for _option in range(element.locator("option").count()):
            if element.input_value() == value:
                return
            self.page.keyboard.press("ArrowDown")
        assert element.input_value() == value

    def attach(self, css: str, file: Path) -> None:
        self._go_to(css)
        with self.page.expect_file_chooser() as opened:
            self.page.keyboard.press("Space")
        opened.value.set_files(file)

    def _go_to(self, css: str) -> Locator:
        element = seen(self.page, css)
        element.wait_for()
        for _tab in range(TABS_MAX):
            if element.evaluate("(element) => element === document.activeElement"):
                assert element.evaluate(FOCUS_SEEN), f"nobody sees that {css} has the focus"
                return element
            skips = self.page.evaluate("document.activeElement.matches('.skip')")
            into_content = skips and element.evaluate("(element) => !!element.closest('main')")
            self.page.keyboard.press("Enter" if into_content else "Tab")
        raise AssertionError(f"{TABS_MAX} times Tab did not lead to {css}")
