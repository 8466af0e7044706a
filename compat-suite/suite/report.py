"""The lines while it runs and the table at the end."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

from .model import Outcome


def progress(outcome: Outcome) -> None:
    """One line as a case ends."""
    note = f"  {_one_line(outcome.note, 300)}" if outcome.note else ""
    sys.stdout.write(
        f"{outcome.verdict:>8}  {outcome.client:<16} {outcome.case:<52}"
        f" {outcome.seconds:6.1f} s{note}\n"
    )
    sys.stdout.flush()


def table(outcomes: list[Outcome]) -> str:
    """Client, version, case, verdict, one row each; reasons stand in the last column."""
    rows = [("client", "version", "case", "verdict", "seconds", "note")]
    for o in outcomes:
        note = _one_line(o.note, 120)
        rows.append((o.client, o.version, o.case, o.verdict, f"{o.seconds:.1f}", note))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        lines.append("  ".join([*cells, row[5]]).rstrip())
        if number == 0:
            lines.append("  ".join("-" * width for width in [*widths, 4]))
    return "\n".join(lines)


def failures(outcomes: list[Outcome]) -> str:
    """Each failure in full."""
    parts = []
    for o in outcomes:
        if o.verdict == "FAILED":
            body = textwrap.indent(o.note.strip(), "    ")
            parts.append(f"FAILED {o.client} {o.version}: {o.case}\n{body}")
    return "\n".join(parts)


def totals(outcomes: list[Outcome]) -> str:
    """The closing line."""
    counts = {v: sum(o.verdict == v for o in outcomes) for v in ("ok", "FAILED", "skipped")}
    return f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped"


def write_json(outcomes: list[Outcome], path: Path) -> None:
    """The same for machines."""
    path.write_text(json.dumps([vars(o) for o in outcomes], indent=1, ensure_ascii=False) + "\n")


def _one_line(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
