"""The table in the terminal, and build/chaos/results.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from chaos.figure import Figure
from chaos.scale import Scale

RESULTS = Path("build/chaos/results.json")

HEADS = ("", "fault", "figure", "bar", "verdict")


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as lines of text: promise, fault, figure, bar, verdict."""
    rows = [HEADS, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def line(figure: Figure) -> str:
    """Return one figure with its detail, for when it is measured."""
    _, _, said, bar, verdict = _row(figure)
    detail = f"   ({figure.detail})" if figure.detail else ""
    return f"  {said}   {bar}   {verdict}{detail}"


def record(measured: dict[str, list[Figure]], scale: Scale, file: Path) -> None:
    """Write the figures of these scenarios, told by their modules; what is recorded of others stays."""
    kept = [entry for entry in load(file) if entry["scenario"] not in measured]
    fresh = [
        {**figure.entry(), "scenario": module, "scale": scale.value}
        for module, figures in measured.items()
        for figure in figures
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(sorted([*kept, *fresh], key=_order), indent=1) + "\n")
    draft.replace(file)


def load(file: Path) -> list[dict[str, object]]:
    """Read what `record` wrote; nothing where it never did."""
    return json.loads(file.read_text()) if file.exists() else []


def _row(figure: Figure) -> tuple[str, str, str, str, str]:
    name = figure.id.partition(".")[2].replace("_", " ")
    said = "no figure" if figure.value is None else f"{name}: {number(figure.value)} {figure.unit}".rstrip()
    return figure.promise, figure.fault, said, str(figure.bar or ""), figure.verdict


def number(value: float) -> str:
    """Return a value with three digits, or all before its point."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _order(entry: dict[str, object]) -> tuple[int, str]:
    promise = str(entry["id"]).partition(".")[0]
    return int(promise[1:]) if promise[1:].isdigit() else 0, str(entry["scenario"])
