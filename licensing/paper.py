"""Sheets of paper: a title, facts, tables and sums as PDF. The same content is the same bytes.

Both fonts are embedded as far as they are used, so that Japanese shows on every machine: Source Sans for Latin, Greek
and Cyrillic, and Noto Sans CJK for what that has not.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

from font_source_sans_pro import SourceSansPro, SourceSansProSemibold
from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace
from noto_cjk_sans_jp_regular import FONT_PATH

from licensing.sheets import Sheet, Table

MARGIN_MM: Final = 20
LINE_MM: Final = 5.5
GRAY: Final = 200


def pdf_of(sheet: Sheet) -> bytes:
    page = _page(sheet)
    for line in sheet.from_lines:
        _line(page, line, size=9)
    if sheet.from_lines:
        page.ln(LINE_MM)
    for line in sheet.to_lines:
        _line(page, line)
    page.ln(LINE_MM)
    _line(page, sheet.title, size=20, height=12, style="B")
    page.ln(2)
    for name, value in sheet.facts:
        _choose(page)
        _pair(page, name, value)
    for table in sheet.tables:
        page.ln(LINE_MM)
        _table(page, table)
    if sheet.sums:
        page.ln(2)
    for name, value in sheet.sums:
        _choose(page)
        _sum(page, name, value)
    for note in sheet.notes:
        page.ln(2)
        _choose(page)
        page.multi_cell(0, LINE_MM, note, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    return bytes(page.output())


class _Paper(FPDF):
    """With the page's number at its foot."""

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font(size=8)
        self.cell(0, LINE_MM, f"{self.page_no()} / {{nb}}", align="R")


def _page(sheet: Sheet) -> FPDF:
    page = _Paper()
    page.set_creation_date(sheet.at)
    page.set_title(sheet.title)
    page.set_lang(sheet.language)
    page.set_producer("Keiken")
    page.set_margins(MARGIN_MM, MARGIN_MM)
    page.add_font("latin", "", SourceSansPro)
    page.add_font("latin", "B", SourceSansProSemibold)
    if not _is_latin(sheet):
        page.add_font("cjk", "", Path(str(FONT_PATH)))
        page.set_fallback_fonts(["cjk"], exact_match=False)
    page.set_font("latin", size=10)
    page.add_page()
    return page


def _is_latin(sheet: Sheet) -> bool:
    """The large font takes half a second to cut to size: only where it is needed."""
    texts = [sheet.title, *sheet.from_lines, *sheet.to_lines, *sheet.notes]
    texts += [part for pair in [*sheet.facts, *sheet.sums] for part in pair]
    texts += [cell for table in sheet.tables for row in [table.heads, *table.rows] for cell in row]
    return {ord(letter) for text in texts for letter in text} <= _latin()


@functools.cache
def _latin() -> frozenset[int]:
    return frozenset(TTFont(SourceSansPro).getBestCmap())


def _line(page: FPDF, text: str, *, size: int = 10, height: float = LINE_MM, style: str = "") -> None:
    _choose(page, style, size)
    page.multi_cell(0, height, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    _choose(page)


def _choose(page: FPDF, style: str = "", size: int = 10) -> None:
    """Select the font in the file too: after a text in the fallback font the library takes it for selected."""
    page.set_font("latin", style, size + 1)
    page.set_font("latin", style, size)


def _pair(page: FPDF, name: str, value: str) -> None:
    page.cell(45, LINE_MM, name)
    _choose(page)
    page.multi_cell(0, LINE_MM, value, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _sum(page: FPDF, name: str, value: str) -> None:
    page.cell(page.epw - 45, LINE_MM, name, align="R")
    _choose(page)
    page.cell(45, LINE_MM, value, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _table(page: FPDF, table: Table) -> None:
    alignments = tuple("RIGHT" if place in table.right else "LEFT" for place in range(len(table.heads)))
    page.set_draw_color(GRAY)
    _choose(page)
    with page.table(
        col_widths=tuple(table.widths),
        text_align=alignments,
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(emphasis="BOLD"),
        line_height=LINE_MM,
    ) as drawn:
        for row in [table.heads, *table.rows]:
            drawn.row(list(row))
