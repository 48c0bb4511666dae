"""What decides where an option goes: the options, the release, and what the checkpoint is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from djl_trtllm.engines.trtllm.families import Family, Minor
from djl_trtllm.engines.trtllm.versions import Release

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

CALIBRATED = frozenset(("smoothquant", "awq", "fp8"))
"""Values of the option quantize that need calibration data; the others are of weights only."""

_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


@dataclass(frozen=True, slots=True)
class Situation:
    """One load: `tp` times `pp` is the world.

    For an engine that is there already `kind` is None, `config` is empty, and `architecture` is what it says it is.
    """

    options: Options
    release: Release
    kind: Family | None
    config: Mapping[str, object]
    tp: int
    pp: int
    architecture: str = ""

    @property
    def llama(self) -> bool:
        """Whether the library builds it with its LLaMA class."""
        return self.kind is not None and self.kind.llama

    @property
    def qwen(self) -> bool:
        """Whether it is a Qwen, by the checkpoint or by what the engine says it is."""
        return (self.kind.name if self.kind else self.architecture).lower().startswith("qwen")

    @property
    def calibrated(self) -> bool:
        """Whether the weights go through the library's `quantize` with calibration data."""
        return self.options.quantize in CALIBRATED

    @property
    def minor(self) -> Minor:
        """The release as (major, minor)."""
        return self.release.major, self.release.minor

    @property
    def own_dtype(self) -> str:
        """The type of the checkpoint's weights as its config.json says; empty where it does not."""
        return str(self.config.get("torch_dtype") or self.config.get("dtype") or "").removeprefix("torch.")

    @property
    def dtype(self) -> str:
        """The type to build in. The library's own `auto` makes float16 of float32 (0.11 to 1.2), and so does this."""
        if self.options.dtype != "auto":
            return _DTYPES[self.options.dtype]
        return "bfloat16" if self.own_dtype == "bfloat16" else "float16"

    @property
    def learned_positions(self) -> int | None:
        """The length of a learned position table, which no sequence can exceed."""
        length = self.config.get(self.kind.positions) if self.kind and self.kind.positions else None
        return length if isinstance(length, int) and length > 1 else None

    @property
    def max_seq_len(self) -> int:
        """The longest sequence in tokens, prompt and answer."""
        wanted = self.options.max_input_len + self.options.max_output_len
        return min(wanted, self.learned_positions or wanted)

    @property
    def max_input_len(self) -> int:
        """The longest prompt in tokens; one token of answer is always left."""
        return min(self.options.max_input_len, self.max_seq_len - 1)

    @property
    def max_num_tokens(self) -> int:
        """Tokens of one step. Without chunks a whole prompt is in one step, so the default rises to that."""
        chosen = self.options.max_num_tokens
        if self.options.enable_chunked_context or "max_num_tokens" in self.options.sources:
            return chosen
        return max(chosen, self.max_input_len)

    @property
    def paged_context(self) -> bool:
        """Whether the attention over prompts reads the paged KV cache, as reuse and chunks need."""
        return self.options.enable_kv_cache_reuse or self.options.enable_chunked_context

    def said(self, name: str) -> str:
        """Return an option as it was set, for a message."""
        value = getattr(self.options, name)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return f"{name}={text} (from {self.options.source_of(name)})"

    def is_set(self, name: str) -> bool:
        """Whether somebody set the option, to something other than off."""
        return name in self.options.sources and getattr(self.options, name) not in (False, None)
