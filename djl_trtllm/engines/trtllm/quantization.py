"""The option quantize: which algorithm, which way through the library, and which pairs are refused.

Weights-only quantisation goes through `from_hugging_face` with a `QuantConfig`. The other kinds need calibration: the
SmoothQuant algorithms of the classes' own `quantize`, or ModelOpt for the rest (run on 0.12 to 0.14).
"""

from __future__ import annotations

from djl_trtllm.engines.trtllm.families import Family
from djl_trtllm.engines.trtllm.row import Places
from djl_trtllm.engines.trtllm.situation import Situation

NATIVE_SAMPLES = 512
"""The library's own SmoothQuant takes so many samples whatever it is told, and fails on fewer."""

AWQ_SAMPLES = 32
"""ModelOpt's AWQ uses at most so many."""

SMOOTHQUANT = {
    (False, False): "W8A8_SQ_PER_TENSOR_PLUGIN",
    (True, False): "W8A8_SQ_PER_TENSOR_PER_TOKEN_PLUGIN",
    (False, True): "W8A8_SQ_PER_CHANNEL_PER_TENSOR_PLUGIN",
    (True, True): "W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN",
}
"""The library's own SmoothQuant algorithms, by (per token, per channel)."""

ALGORITHMS = {"awq": "W4A16_AWQ", "fp8": "FP8", "int8": "W8A16", "int4": "W4A16"}
"""The algorithms of the other values of the option quantize."""

GPTJ_SMOOTHQUANT = "W8A8_SQ_PER_CHANNEL"
"""ModelOpt's SmoothQuant, for the class that has none of its own."""


def resolve(
    s: Situation,
    kind: Family,
    origin: str,
    places: Places,
    notes: list[str],
    problems: list[str],
) -> None:
    """Add the algorithm and its parameters; refuse what this family or release cannot do."""
    choice = s.options.quantize
    if choice is None:
        return
    if not kind.can_quantize(choice, s.release):
        problems.append(_refusal(s, kind, origin, choice))
        return
    config: dict[str, object] = {"quant_algo": ALGORITHMS.get(choice)}
    places["QuantConfig"] = config
    if choice == "smoothquant":
        _smoothquant(s, kind, config, notes)
    elif choice == "awq":
        config["group_size"] = s.options.awq_block_size
    elif choice == "fp8":
        config["kv_cache_quant_algo"] = "FP8"
    if s.calibrated:
        _calibration(s, kind, places, notes)


def _smoothquant(s: Situation, kind: Family, config: dict[str, object], notes: list[str]) -> None:
    flags = (s.options.smoothquant_per_token, s.options.smoothquant_per_channel)
    if kind.name != "gptj":
        config["quant_algo"] = SMOOTHQUANT[flags]
        config["smoothquant_val"] = s.options.smoothquant_alpha
        return
    config["quant_algo"] = GPTJ_SMOOTHQUANT
    notes.extend(
        f"{s.said(name)} is not a choice for {kind.title}: it is quantised by ModelOpt, with one scale a channel and"
        " ModelOpt's own alpha."
        for name in ("smoothquant_alpha", "smoothquant_per_token")
        if s.is_set(name)
    )


def _calibration(s: Situation, kind: Family, places: Places, notes: list[str]) -> None:
    samples = s.options.calib_size
    if s.options.quantize == "smoothquant" and kind.name != "gptj" and samples < NATIVE_SAMPLES:
        notes.append(
            f"{s.said('calib_size')} is raised to {NATIVE_SAMPLES}: TensorRT-LLM's SmoothQuant fails on fewer samples."
        )
        samples = NATIVE_SAMPLES
    if s.options.quantize == "awq" and samples > AWQ_SAMPLES:
        notes.append(f"{s.said('calib_size')} is cut to {AWQ_SAMPLES} by TensorRT-LLM's AWQ.")
    places.setdefault("quantize", {}).update(
        calib_batches=samples, calib_batch_size=s.options.calib_batch_size
    )
    places["calibration"] = {"dataset": s.options.calib_dataset, "samples": samples}
    # 0.14 writes an FP8 KV cache into every ModelOpt checkpoint, asked for or not; it breaks before compute 8.9.
    wanted = places["QuantConfig"].get("kv_cache_quant_algo")
    places["checkpoint"] = {"quantization.kv_cache_quant_algo": wanted}


def _refusal(s: Situation, kind: Family, origin: str, choice: str) -> str:
    takes = [name for name in kind.quantize if kind.can_quantize(name, s.release)]
    since = kind.quantize.get(choice)
    first = max(since, kind.since) if since else None
    later = f" {kind.title} models take it from TensorRT-LLM {first[0]}.{first[1]} on." if first else ""
    offer = f"Choose {' or '.join(takes)}, or leave quantize out." if takes else "Leave quantize out."
    return (
        f"{s.said('quantize')} is not possible for {origin}, a {kind.title} model, on TensorRT-LLM {s.release}."
        f"{later} {offer}"
    )
