"""build/bench/index.html: everything that is recorded, with pictures, in one file that refers to nothing outside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from bench import machine, parts, plots, stats
from bench.layers import LAYERS
from bench.stats import Figure

FILE = Path("build/bench/index.html")
SHARE = "served/share/"
STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 940px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
th, td { text-align: left; padding: .2em .8em .2em 0; border-bottom: 1px solid #ddd; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums }
.pass { color: #2e7d32 } .short { color: #c62828 } .undecided { color: #b07d00 }
svg { max-width: 100%; height: auto }
"""
RULES = """Each figure is the median of alternating measurements, with the 95 % interval of the median. Pass: the
interval's better end reaches the bar and the median misses it by 2 % at most. Short: the whole interval lies beyond the
bar. Undecided: anything else, and anything from fewer than 9 measurements. A bar in multiples of the calibration loop
is one of milliseconds, measured by a fixed piece of Python that takes about one on a quiet core."""


def write(
    results: Path = stats.RESULTS,
    context: Path = stats.CONTEXT,
    described: Path = machine.FILE,
    file: Path = FILE,
) -> Path:
    """Make the page of what is recorded, and return where it is."""
    page = render(stats.load(results), stats.load(context), machine.load(described))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")
    return file


def render(judged: Sequence[Figure], plain: Sequence[Figure], described: machine.Machine) -> str:
    """Return the page."""
    body = [
        "<h1>What the Python in between costs</h1>",
        _table(("", ""), [(escape(name), escape(value)) for name, value in described.lines()]),
        f"<p>{escape(RULES)}</p>",
        plots.goals(judged).svg(),
    ]
    for part in parts.PARTS:
        goals = [figure for figure in judged if stats.part_of(figure.id) == part.name]
        others = [figure for figure in plain if stats.part_of(figure.id) == part.name]
        if goals or others:
            body += _part(part, goals, others)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>djl_trtllm: bench</title>'
        f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def _part(part: parts.Part, judged: Sequence[Figure], plain: Sequence[Figure]) -> list[str]:
    bars = f" ({', '.join(part.bars)})" if part.bars else ""
    made = [f"<h2>{escape(part.name + bars)}</h2>", f"<p>{escape(part.says)}</p>"]
    if judged:
        rows = [(*_cells(figure), figure.bar or "", _verdict(figure)) for figure in judged]
        made.append(_table(("figure", "median", "95 % interval", "unit", "bar", "verdict"), rows))
    shares = [figure for figure in plain if figure.id.startswith(SHARE)]
    if shares:
        made.append(plots.shares(_shares(shares), "Where the worker's time goes, % at 1 … 64 streams").svg())
    rest = sorted((figure for figure in plain if figure not in shares), key=lambda figure: figure.unit)
    for unit, group in groupby(rest, key=lambda figure: figure.unit):
        figures = list(group)
        made.append(plots.side_by_side(figures, unit).svg())
    if plain:
        made.append("<details><summary>numbers</summary>")
        made.append(
            _table(("figure", "median", "95 % interval", "unit"), [_cells(figure) for figure in plain])
        )
        made.append("</details>")
    return made


def _shares(figures: Sequence[Figure]) -> dict[str, dict[str, float]]:
    """Return the layers' shares by number of streams."""
    rows: dict[str, dict[str, float]] = {}
    for figure in figures:
        layer, streams = figure.id.removeprefix(SHARE).split("/")
        rows.setdefault(f"{streams} streams", {})[layer] = figure.value
    return {label: {layer: row[layer] for layer in LAYERS if layer in row} for label, row in rows.items()}


def _cells(figure: Figure) -> tuple[str, str, str, str]:
    low, high = figure.spread
    return (
        escape(figure.id),
        stats.rounded(figure.value),
        f"{stats.rounded(low)} to {stats.rounded(high)}",
        escape(figure.unit),
    )


def _verdict(figure: Figure) -> str:
    return f'<span class="{figure.verdict}">{figure.verdict}</span>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heading = "".join(f"<th>{one}</th>" for one in head) if any(head) else ""
    lines = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return "<table>" + (f"<tr>{heading}</tr>" if heading else "") + "\n".join(lines) + "</table>"
