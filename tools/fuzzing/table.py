"""What a campaign found: a row per kind, the failures grouped by where they are raised, the inputs saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fuzzing.outcome import BAD, OUTCOMES, Outcome


def print_table(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Print a row per kind and, below, each different failure with one example."""
    table = Table("kind", "cases", *OUTCOMES, "seconds")
    for kind in dict.fromkeys(o.kind for o in outcomes):
        own = [o for o in outcomes if o.kind == kind]
        counts = Counter(o.outcome for o in own)
        shown = [f"[bold red]{counts[o]}[/]" if o in BAD and counts[o] else str(counts[o] or "") for o in OUTCOMES]
        table.add_row(kind, str(len(own)), *shown, f"{sum(o.seconds for o in own):.0f}")
    console.print(table)
    for (kind, outcome, place, message), examples in grouped(outcomes).items():
        console.print(
            f"{kind} {outcome} x{len(examples)} {place}\n    {message[:300]!r}\n    case {examples[0].index}",
            markup=False,
        )


def grouped(outcomes: Sequence[Outcome]) -> dict[tuple[str, str, str, str], list[Outcome]]:
    """Return the failures by kind, outcome, place and the beginning of the message."""
    groups: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in (o for o in outcomes if o.outcome in BAD):
        what = outcome.place or outcome.message[:60]
        groups.setdefault((outcome.kind, outcome.outcome, what), []).append(outcome)
    return {(k, o, what, found[0].message): found for (k, o, what), found in groups.items()}


def save_case(folder: Path, data: bytes, outcome: Outcome) -> None:
    """Write an input and, beside it, what became of it."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{outcome.kind}-{outcome.index:06}-{outcome.outcome}"
    (folder / name).write_bytes(data)
    text = f"{outcome.place}\n{outcome.message}\n"
    (folder / f"{name}.txt").write_text(text, encoding="utf-8", errors="backslashreplace")
