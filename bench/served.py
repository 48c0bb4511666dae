"""End to end: streams over HTTP through DJL's Java engine, the worker and OpenVINO, beside the raw pipeline.

Rates, times to the first token (ttft) and gaps between tokens, as a client sees them, at 1, 8, 32 and 64 streams that
begin together; where the worker's time goes, by layer; and the CPU time of a token, by process.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from bench import client, cpu, djl, latency, stats, throughput_side, workload
from bench.layers import ENDED, FILE, LAYERS
from bench.process import SideProcess
from bench.server import Server
from bench.stats import Figure
from djl_trtllm.local import demo, workspace

STREAMS = (1, 8, 32, 64)
TOKENS = throughput_side.NEW_TOKENS
PATIENCE = 10.0
PAIRS = 5
"""At most: nothing here has a bar."""
Run = dict[str, float]


def run(pairs: int, *, streams: tuple[int, ...] = STREAMS) -> list[Figure]:
    """Measure and return figures without bars: for each number of streams a ratio, latencies and shares."""
    djl.extract(throughput_side.VERSION)
    with SideProcess(djl.BUILD / "served-compile.log", "bench.throughput_side", "handler") as handler:
        model = handler.ask("model")
    checkpoint = demo.checkpoint(workspace.cache_root(os.environ), throughput_side.Silence())
    properties = {**throughput_side.PROPERTIES, "model_id": str(checkpoint)}
    figures: list[Figure] = []
    with (
        Server(djl.BUILD / "served", properties) as server,
        SideProcess(djl.BUILD / "served-raw.log", "bench.throughput_side", "raw", model) as raw,
    ):
        for count in streams:
            figures += Comparison(server, raw, Path(model), count).run(min(pairs, PAIRS))
    return figures


class Comparison:
    """Both sides at one number of streams."""

    def __init__(self, server: Server, raw: SideProcess, model: Path, streams: int) -> None:
        self._server, self._raw, self._streams = server, raw, streams
        chosen = throughput_side.prompts(model, streams)
        self._bodies = [workload.body(text, TOKENS, greedy=True) for text, _ in chosen]
        self._runs: dict[str, list[Run]] = {"http": [], "raw": []}
        self._shares: dict[str, list[float]] = {layer: [] for layer in LAYERS}

    def run(self, pairs: int) -> list[Figure]:
        """Measure, and return the figures."""
        self._http()
        self._plain()
        self._runs, self._shares = {"http": [], "raw": []}, {layer: [] for layer in LAYERS}
        measured = stats.alternate(self._http, self._plain, pairs)
        http, raw = self._runs["http"], self._runs["raw"]
        added = [one["ttft_p50"] - other["ttft_p50"] for one, other in zip(http, raw, strict=True)]
        count = self._streams
        ratios = [ours / theirs for ours, theirs in measured]
        figures = [
            stats.plain(f"served/ratio/{count}", ratios, "of the raw engine's tokens/s"),
            stats.plain(f"served/ttft_added/{count}", added, "ms"),
        ]
        for side, runs in self._runs.items():
            figures.append(
                stats.plain(f"served/rate/{side}/{count}", [one["rate"] for one in runs], "tokens/s")
            )
            figures += [
                stats.plain(
                    f"served/{what}_p{percent}/{side}/{count}",
                    [one[f"{what}_p{percent}"] for one in runs],
                    "ms",
                )
                for what in ("ttft", "gap")
                for percent in latency.PERCENTS
            ]
        figures += [
            stats.plain(
                f"served/cpu/{process}/{count}", [one[f"cpu_{process}"] for one in runs], "CPU µs/token"
            )
            for runs, processes in ((http, (cpu.FRONT, *cpu.ROLES.values())), (raw, ("raw",)))
            for process in processes
        ]
        figures += [
            stats.plain(f"served/share/{layer}/{count}", shares, "% of the worker's time")
            for layer, shares in self._shares.items()
        ]
        return stats.told(figures)

    def _http(self) -> float:
        before, used = self._layers(), cpu.seconds(self._server.process.pid)
        taken = client.run(self._server.url, self._bodies, TOKENS)
        after = self._layers(before[ENDED] + self._streams)
        for process, now in cpu.seconds(self._server.process.pid).items():
            taken[f"cpu_{process}"] = (now - used[process]) * 1e6 / (self._streams * TOKENS)
        spent = {layer: after[layer] - before[layer] for layer in LAYERS}
        whole = sum(spent.values())
        for layer, seconds in spent.items():
            self._shares[layer].append(seconds / whole * 100)
        self._runs["http"].append(taken)
        return taken["rate"]

    def _plain(self) -> float:
        taken: Run = self._raw.ask("latencies", self._streams)
        self._runs["raw"].append(taken)
        return taken["rate"]

    def _layers(self, ended: int = 0) -> dict[str, Any]:
        """Read the worker's account, once it says that so many requests have been answered."""
        file = self._server.directory / FILE
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            said = json.loads(file.read_text()) if file.exists() else dict.fromkeys((*LAYERS, ENDED), 0)
            if said[ENDED] >= ended:
                return said
            time.sleep(0.02)
        raise AssertionError(f"the worker did not say in {PATIENCE:.0f} s where its time went")
