"""What an engine directory and a configuration allow a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.checks import failed


@dataclass(frozen=True, slots=True)
class Limits:
    """Lengths in tokens. `max_input_len` is what binds, which is not always what was built."""

    max_input_len: int
    max_seq_len: int
    max_batch_size: int
    max_beam_width: int
    vocab_size: int
    tokens_per_block: int
    logits_dtype: str = "float32"
    max_output_len: int | None = None


def limits(
    config: Mapping[str, Any],
    release: tuple[int, int],
    *,
    beam_width: int = 1,
    batch_size: int | None = None,
    num_tokens: int | None = None,
    chunked: bool = False,
) -> Limits:
    """Return the limits of an engine with this config.json. Raises where the configuration asks for more.

    Since 0.11 the built `max_input_len` counts for nothing when prompts are packed and context FMHA is on, which are
    the defaults: then `max_seq_len` binds, and `max_num_tokens` where prompts are not chunked.
    """
    built = config["build_config"]
    plugins = built["plugin_config"]
    if chunked and not (plugins.get("use_paged_context_fmha") and plugins.get("paged_kv_cache", True)):
        raise failed("chunked context requires paged context FMHA: mModelConfig.getPagedContextFMHA()")
    for name, asked in (
        ("max_beam_width", beam_width),
        ("max_batch_size", batch_size),
        ("max_num_tokens", num_tokens),
    ):
        if asked is not None and built.get(name) is not None and asked > built[name]:
            raise failed(f"Runtime configured {name} ({asked}) exceeds the engine's ({built[name]})")
    seq_len = built.get("max_seq_len") or built["max_input_len"] + built["max_output_len"]
    input_len = built["max_input_len"]
    per_step = num_tokens or built.get("max_num_tokens")
    packed = plugins.get("remove_input_padding", True) and plugins.get("context_fmha", True)
    if release >= (0, 11) and packed:
        input_len = seq_len - 1
    if packed and per_step and not chunked:
        input_len = min(input_len, per_step)
    return Limits(
        max_input_len=input_len,
        max_seq_len=seq_len,
        max_batch_size=batch_size or built["max_batch_size"],
        max_beam_width=beam_width,
        vocab_size=config["pretrained_config"]["vocab_size"],
        tokens_per_block=plugins.get("tokens_per_block") or 64,
        logits_dtype=config["pretrained_config"].get("logits_dtype") or "float32",
        max_output_len=built.get("max_output_len"),
    )
