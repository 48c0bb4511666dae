"""An estimate of a toy model."""

from __future__ import annotations

from dataclasses import replace

from djl_trtllm.engines.estimate import HOST, Compiling, Estimate, KvCache, Span

GIB = 2**30

ESTIMATE = Estimate(
    device=HOST,
    devices=1,
    weights="bf16",
    parameters=134_515_008,
    weights_bytes=256 * 2**20,
    working_bytes=2**28,
    kv=KvCache(23040.0, 65536, "openvino_kv_cache"),
    request_tokens=1536,
    total_bytes=16 * GIB,
    free_bytes=8 * GIB,
    compiling=Compiling(2 * GIB, GIB, Span(10, 100, "rough")),
    loading=Span(1, 20, "rough"),
)


def estimate(**changes: object) -> Estimate:
    return replace(ESTIMATE, **changes)  # type: ignore[arg-type]
