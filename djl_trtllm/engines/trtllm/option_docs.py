"""The option map and the architectures as Markdown tables, for docs/tensorrt-llm.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from djl_trtllm.engines.trtllm import llm_map, option_rows
from djl_trtllm.engines.trtllm.families import FAMILIES, Family, Minor
from djl_trtllm.engines.trtllm.quantization import ALGORITHMS, GPTJ_SMOOTHQUANT, SMOOTHQUANT
from djl_trtllm.engines.trtllm.row import Row

_COMPUTED: Sequence[tuple[str, str, str]] = (
    (
        "baichuan_model_version",
        "0.12 to 1.2",
        "`from_hugging_face(model_version)`, checked against the checkpoint",
    ),
    (
        "chatglm_model_version",
        "0.12 to 1.2",
        "`from_hugging_face(chatglm_version)`, checked against the checkpoint",
    ),
    ("gpt_model_version", "0.12 to 1.2", "`from_hugging_face(gpt_variant)`, checked against the checkpoint"),
    (
        "rotary_base",
        "0.8 to 1.2",
        "config.json: `rope_theta`, Qwen 1 `rotary_emb_base`, ChatGLM3 `rope_ratio`",
    ),
    ("rotary_dim", "0.8 to 1.2", "config.json: `rotary_dim` (GPT-J)"),
    ("rotary_scaling_type, rotary_scaling_factor", "0.8 to 1.2", "config.json: `rope_scaling`"),
    ("smoothquant_alpha", "0.10 to 1.2", "`QuantConfig.smoothquant_val`"),
    ("awq_block_size", "0.10 to 1.2", "`QuantConfig.group_size`"),
    (
        "calib_size",
        "0.10 to 1.2",
        "`quantize(calib_batches)`; at least 512 with smoothquant, at most 32 with awq",
    ),
    ("calib_batch_size", "0.10 to 1.2", "`quantize(calib_batch_size)`"),
    ("calib_dataset", "0.10 to 1.2", "`quantize(calib_dataset)`: a directory made of it"),
)


def as_markdown() -> str:
    """Return the table of options by release for engines, then the one for the PyTorch backend."""
    engines = [*_rows(option_rows.ROWS, option_rows.END), *_quantize(), *(_line(*row) for row in _COMPUTED)]
    head = ["| option | TensorRT-LLM | becomes |", "|---|---|---|"]
    pytorch = _rows(llm_map.ROWS, None)
    return "\n".join(
        ["Engines (`trtllm`):", "", *head, *engines, "", "PyTorch (`trtllm-pytorch`):", "", *head, *pytorch]
    )


def families_as_markdown() -> str:
    """Return the table of architectures: which classes, from which release, and what can be quantised how."""
    head = ["| family | architectures | compiled from | quantize |", "|---|---|---|---|"]
    return "\n".join([*head, *(_family(kind) for kind in FAMILIES)])


def _family(kind: Family) -> str:
    names = ", ".join(f"`{name}`" for name in kind.architectures)
    later = {name: max(since, kind.since) for name, since in kind.quantize.items()}
    ways = ", ".join(
        name if since == kind.since else f"{name} (from {_minor(since)})" for name, since in later.items()
    )
    return f"| {kind.title} | {names} | {_minor(kind.since)} | {ways} |"


def _rows(rows: Iterable[Row], end: Minor | None) -> list[str]:
    return [_line(row.option, _span(row, end), _becomes(row)) for row in rows if row.option]


def _line(option: str, span: str, becomes: str) -> str:
    names = ", ".join(f"`{name}`" for name in option.split(", "))
    return f"| {names} | {span} | {becomes} |"


def _becomes(row: Row) -> str:
    told = f"refused: {row.refusal}" if row.refusal else f"a line in the log: {row.note}"
    if not row.to:
        return f"{row.how}: {told}" if row.how else told
    targets = ", ".join(f"`{argument}`" for argument in row.to)
    passed = f"{targets} ({row.how})" if row.how else targets
    return f"{passed}; else {told}" if row.note else passed


def _span(row: Row, end: Minor | None) -> str:
    last = _before(row.until) if row.until < (end or (90, 0)) else _before(end) if end else None
    first = _minor(max(row.since, llm_map.FIRST) if end is None else row.since)
    if last is None:
        return f"from {first}"
    return first if first == last else f"{first} to {last}"


_MINORS: Sequence[Minor] = (*((0, minor) for minor in range(8, 22)), (1, 0), (1, 1), (1, 2), (1, 3))


def _before(minor: Minor) -> str:
    return _minor(max(m for m in _MINORS if m < minor))


def _minor(minor: Minor) -> str:
    return f"{minor[0]}.{minor[1]}"


def _quantize() -> Iterable[str]:
    for choice, algorithm in ALGORITHMS.items():
        yield _line("quantize", "see the families", f"{choice}: `QuantConfig.quant_algo` {algorithm}")
    names = ("neither", "smoothquant_per_token", "smoothquant_per_channel", "both")
    flags = ((False, False), (True, False), (False, True), (True, True))
    for name, pair in zip(names, flags, strict=True):
        becomes = f"smoothquant, {name}: `QuantConfig.quant_algo` {SMOOTHQUANT[pair]}"
        yield _line("quantize", "see the families", becomes)
    yield _line(
        "quantize", "see the families", f"smoothquant of GPT-J: `QuantConfig.quant_algo` {GPTJ_SMOOTHQUANT}"
    )
