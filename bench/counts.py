"""Costs by counting, which no busy machine changes: machine instructions, and the budget of bytecode, calls and memory.

`python -m bench.counts` compares with the budget, `--write` renews it.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from bench import budget, callgrind, compiled, counts_side, djl, stats, vocabularies
from bench.callgrind import Span
from bench.stats import Bar, Figure

UPSTREAM = Bar(0.125)
FLAT = Bar(1.1)
LENGTH = Bar(1.05)
LOG = Bar(1.01)
FEW, MANY = 64, 999
ANSWER = 64
"""Tokens of the answer that log and metrics are compared with, as many as the handler's figure has."""
SEEDS = range(stats.MIN_PAIRS)
"""Of Python's hashes: what log and metrics add is as little as the difference that places in memory make."""
STEP = 0.02
"""Seconds of one of its tokens: the tokens of requests that run are counted once a second."""


def run(_pairs: int, *, few: int = FEW, many: int = MANY) -> list[Figure]:
    """Count the handler, what its log adds, and detokenising; without valgrind, the budget's counts only."""
    if not callgrind.available():
        print("no valgrind (apt install valgrind): instructions are not counted")
        return quick()
    djl.extract(djl.VERSIONS[0])
    counts_side.prepare()
    counts_side.prepare_texts()
    asked = (("handler", str(few), str(many)), ("upstream", str(few), str(many)), ("detokenise",))
    package = compiled.package() if compiled.available() else None
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(callgrind.run, "bench.counts_side", *arguments) for arguments in asked]
        told = [
            [pool.submit(callgrind.run, "bench.counts_side", *arguments, seed=seed) for seed in SEEDS]
            for arguments in (("log",), ("metrics", str(few)))
        ]
        if package:
            runs.append(pool.submit(callgrind.run, "bench.counts_side", *asked[0], package=package))
        handler, upstream, texts, *machine_code = (run.result() for run in runs)
        logs, metrics = ([run.result() for run in runs] for runs in told)
    return [
        *stats.told(
            [
                *_handler(handler, few, many),
                *_upstream(handler, upstream),
                *(figure for counted in machine_code for figure in _compiled(counted, upstream)),
                *_told(logs, metrics, few),
                *_texts(texts),
            ]
        ),
        *quick(),
    ]


def quick() -> list[Figure]:
    """Count what the budget holds: the interpreter can."""
    djl.extract(djl.VERSIONS[0])
    return stats.told(_budget())


def _handler(counted: dict[str, Span], few: int, many: int) -> list[Figure]:
    tokens = {n: _per(counted[f"streamed/{n}"], n * counts_side.STREAMED) for n in (few, many)}
    ratio = tokens[many] / tokens[few]
    figures = [
        _exact("counts/flatness", ratio, FLAT, f"of a token's instructions at {few} streams, at {many}")
    ]
    for n in (few, many):
        figures += [
            _plain(f"counts/token/{n}", tokens[n], "instructions/token"),
            _plain(f"counts/arrival/{n}", _per(counted[f"arrival/{n}"], n), "instructions/request"),
            _plain(f"counts/ending/{n}", _per(counted[f"ending/{n}"], n), "instructions/request"),
        ]
        allocations = counted[f"streamed/{n}"].allocations
        if allocations:
            name = f"counts/allocations/{n}"
            figures.append(_plain(name, allocations / (n * counts_side.STREAMED), "allocations/token"))
    return figures


def _upstream(ours: dict[str, Span], theirs: dict[str, Span]) -> list[Figure]:
    """Both handlers' instructions a streamed token; ours detokenises, upstream's has finished texts."""
    figures = _ratios("counts/upstream", ours, theirs)
    for name, counted in theirs.items():
        figures.append(
            _plain(f"counts/upstream/{_streams(name)}/token", _token(name, counted), "instructions/token")
        )
    return figures


def _compiled(ours: dict[str, Span], theirs: dict[str, Span]) -> list[Figure]:
    """The same of the compiled handler, and its own instructions a token."""
    figures = _ratios("counts/compiled/upstream", ours, theirs)
    for name in theirs:
        figures.append(
            _plain(f"counts/compiled/token/{_streams(name)}", _token(name, ours[name]), "instructions/token")
        )
    return figures


def _ratios(part: str, ours: dict[str, Span], theirs: dict[str, Span]) -> list[Figure]:
    return [
        _exact(
            f"{part}/{_streams(name)}",
            ours[name].instructions / counted.instructions,
            UPSTREAM,
            "of upstream's instructions a token",
        )
        for name, counted in theirs.items()
    ]


def _streams(name: str) -> int:
    return int(name.partition("/")[2])


def _token(name: str, counted: Span) -> float:
    return _per(counted, _streams(name) * counts_side.STREAMED)


def _told(logs: list[dict[str, Span]], metrics: list[dict[str, Span]], streams: int) -> list[Figure]:
    """A request's instructions with its log line and metrics ÷ without, for an answer of the usual length."""
    ended = counts_side.TOGETHER * (counts_side.TOKENS - 1)
    lines = [_per(log["sizes"], ended) - _per(log["off"], ended) for log in logs]
    metered, without = ([_request(one, name, streams) for one in metrics] for name in ("on", "off"))
    once = [_per(one["streamed/counted"], streams) - _per(one["streamed/on"], streams) for one in metrics]
    both = [m + ANSWER * STEP * o + line for m, o, line in zip(metered, once, lines, strict=True)]
    added = [m - w for m, w in zip(metered, without, strict=True)]
    told = "of a request's instructions without"
    return [
        stats.ratio("counts/told", list(zip(both, without, strict=True)), LOG, f"{told} log and metrics"),
        stats.plain("counts/log/line", lines, "instructions/request"),
        stats.plain("counts/metrics", added, "instructions/request"),
        stats.plain("counts/metrics/second", once, "instructions/running request"),
    ]


def _request(counted: dict[str, Span], name: str, streams: int) -> float:
    """Instructions of a request with an answer of the usual length."""
    return (
        _per(counted[f"arrival/{name}"], streams)
        + (ANSWER - 2) * _per(counted[f"streamed/{name}"], streams * counts_side.STREAMED)
        + _per(counted[f"ending/{name}"], streams)
    )


def _texts(counted: dict[str, Span]) -> list[Figure]:
    figures = []
    for kind in vocabularies.KINDS:
        long, short = (_per(counted[f"{kind}/{name}"], counts_side.LONG) for name in ("long", "short"))
        figures += [
            _exact(
                f"counts/detokenise/{kind}",
                long / short,
                LENGTH,
                f"of a token's instructions at {counts_side.SHORT} tokens, at {counts_side.LONG}",
            ),
            _plain(f"counts/detokenise/{kind}/token", long, "instructions/token"),
        ]
    return figures


def _budget() -> list[Figure]:
    units = {"token": "token", "step": "step", "arrival": "request", "ending": "request"}
    return [
        _plain(f"counts/{form}/{part}/{what}", count, f"{what}/{units[part]}")
        for form, parts in budget.measure().items()
        for part, found in parts.items()
        for what, count in found.items()
    ]


def _per(span: Span, number: int) -> float:
    return span.instructions / number


def _exact(id: str, value: float, bar: Bar, unit: str) -> Figure:  # noqa: A002
    """Judge one count: a second one would be the same."""
    return stats.ratio(id, [(value, 1.0)] * stats.MIN_PAIRS, bar, unit)


def _plain(id: str, value: float, unit: str) -> Figure:  # noqa: A002
    return stats.plain(id, [value], unit)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.counts", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make what is counted now the budget")
    given = parser.parse_args(arguments)
    djl.extract(djl.VERSIONS[0])
    counts = budget.measure()
    if given.write:
        budget.write(counts)
    allowed, room = budget.allowed(sys.version_info[:2], budget.read())
    for form, parts in counts.items():
        for part, found in parts.items():
            for what, count in found.items():
                print(
                    f"{form + ', ' + what + ' per ' + part:<40} {count:10.2f}   budget {allowed[form][part][what]:g}"
                )
    over = budget.exceeded(counts, allowed, room)
    for line in over:
        print(f"over its budget: {line}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
