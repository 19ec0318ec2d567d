"""How the demo talks: chapters, lines that are right or wrong, a closing table. Wrong lines decide the exit code."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table


@dataclass
class Row:
    """One line of the closing table."""

    experience: str
    environment: str
    verdict: str
    license: str
    outcome: str
    seconds: float
    is_right: bool


def _width() -> int | None:
    """The terminal's own; a file is wide enough for the closing table."""
    return None if sys.stdout.isatty() else 120


@dataclass
class Storyteller:
    console: Console = field(
        default_factory=lambda: Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    )
    wrong: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def chapter(self, title: str) -> None:
        self.console.print(f"\n[bold]{title}[/bold]")

    def tell(self, text: str) -> None:
        self.console.print(f"  [dim]{text}[/dim]")

    def holds(self, is_right: bool, text: str) -> None:
        """One line of the story; a wrong one is remembered."""
        mark = "[green]✓[/green]" if is_right else "[red]✗[/red]"
        self.console.print(f"  {mark} {text}")
        if not is_right:
            self.wrong.append(text)

    def progress(self) -> Progress:
        return Progress(
            TextColumn("  "),
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )

    def close(self) -> int:
        """Print the table and the sum of it; 0 only if every line was right."""
        table = Table(title="\nWhat was proven, licensed and replayed", title_justify="left")
        for heading in ("experience", "environment", "verdict", "license", "replay", "time"):
            table.add_column(heading, justify="right" if heading == "time" else "left")
        for row in self.rows:
            style = "" if row.is_right else "red"
            table.add_row(
                row.experience,
                row.environment,
                row.verdict,
                row.license,
                row.outcome,
                f"{row.seconds:.1f} s",
                style=style,
            )
            if not row.is_right:
                self.wrong.append(f"{row.experience}: {row.verdict}, {row.license}, {row.outcome}")
        self.console.print(table)
        if self.wrong:
            self.console.print(f"[red]{len(self.wrong)} lines are not as they must be:[/red]")
            for line in self.wrong:
                self.console.print(f"  [red]✗[/red] {line}")
            return 1
        self.console.print("[green]Every line is as it must be.[/green]")
        return 0
