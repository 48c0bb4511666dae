"""The results in docs/performance.md, and the picture for README.md, made of what is recorded."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bench import machine, parts, plots, stats
from bench.layers import LAYERS
from bench.stats import Figure

PAGE = Path("docs/performance.md")
PICTURE = Path("docs/performance.png")
BEGIN = "<!-- results: written by `python -m bench --document` -->"
END = "<!-- end of the results -->"
NOTHING = "No run is recorded here yet: `make bench`, then `.venv/bin/python -m bench --document`, write it."


def main(
    results: Path = stats.RESULTS,
    context: Path = stats.CONTEXT,
    described: Path = machine.FILE,
    page: Path = PAGE,
    picture: Path = PICTURE,
) -> int:
    """Write the page and the picture anew; the exit code: 1 where nothing is recorded."""
    judged = stats.load(results)
    if not judged or not described.exists():
        print(f"Nothing is recorded in {results}: run `make bench` first.", file=sys.stderr)
        return 1
    text = render(judged, stats.load(context), machine.load(described))
    page.write_text(filled(page.read_text(encoding="utf-8"), text), encoding="utf-8")
    plots.goals(judged).png(picture)
    print(f"written: {page}, {picture}")
    return 0


def filled(page: str, text: str) -> str:
    """Return the page with `text` between its two marks. Raises ValueError where they are not there, in order."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} needs the lines {BEGIN!r} and {END!r}, in this order.")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def render(judged: Sequence[Figure], plain: Sequence[Figure], described: machine.Machine) -> str:
    """Return the results as Markdown: the machine, every goal, and where the worker's time goes."""
    lines = [f"- {name}: {value}" for name, value in described.lines()]
    lines += [
        "",
        "| goal | figure | median | 95 % interval | unit | bar | verdict |",
        "|---|---|--:|---|---|---|---|",
    ]
    bars = {part.name: ", ".join(part.bars) for part in parts.PARTS}
    for figure in judged:
        low, high = figure.spread
        cells = (
            bars.get(stats.part_of(figure.id), ""),
            f"`{figure.id}`",
            stats.rounded(figure.value),
            f"{stats.rounded(low)} to {stats.rounded(high)}",
            figure.unit,
            figure.bar or "",
            figure.verdict or "",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, *_served({figure.id: figure for figure in plain})])


def _served(plain: dict[str, Figure]) -> list[str]:
    """Return the tables of the end-to-end part, nothing where it was not measured."""
    streams = [id_.rpartition("/")[2] for id_ in plain if id_.startswith("served/ratio/")]
    if not streams:
        return []
    lines = ["", "End to end over HTTP, and the raw engine beside it (p50 / p95 / p99 in ms):", ""]
    lines += ["| streams | tokens/s | raw | first token | raw | gap | raw |", "|--:|--:|--:|--:|--:|--:|--:|"]
    for count in streams:
        cells = [count]
        for what in ("rate", "ttft", "gap"):
            cells += [_latency(plain, what, side, count) for side in ("http", "raw")]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Where the worker's time goes, in %:", ""]
    lines += [f"| streams | {' | '.join(NAMES[layer] for layer in LAYERS)} |", "|--:|" + "--:|" * len(LAYERS)]
    for count in streams:
        shares = [f"{plain[f'served/share/{layer}/{count}'].value:.1f}" for layer in LAYERS]
        lines.append(f"| {count} | {' | '.join(shares)} |")
    return lines


NAMES = {
    "java": "Java and socket",
    "read": "`Input.read`",
    "handler": "handler",
    "engine": "waiting for the engine",
    "send": "`Output.send`",
}


def _latency(plain: dict[str, Figure], what: str, side: str, count: str) -> str:
    if what == "rate":
        return f"{plain[f'served/rate/{side}/{count}'].value:.1f}"
    return " / ".join(f"{plain[f'served/{what}_p{p}/{side}/{count}'].value:.1f}" for p in (50, 95, 99))
