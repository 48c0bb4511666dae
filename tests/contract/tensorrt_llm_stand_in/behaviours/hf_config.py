"""The facts of a Hugging Face config.json that a conversion needs, whatever a family calls them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = {
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "heads": ("num_attention_heads", "n_head"),
    "positions": (
        "max_position_embeddings",
        "n_positions",
        "seq_length",
        "max_sequence_length",
        "model_max_length",
    ),
    "vocab": ("padded_vocab_size", "vocab_size"),
    "intermediate": ("intermediate_size", "ffn_hidden_size", "inner_hidden_size", "n_inner"),
}


@dataclass(frozen=True, slots=True)
class HfConfig:
    """`raw` is the file."""

    raw: dict[str, Any]

    @classmethod
    def of(cls, directory: Path) -> HfConfig:
        path = directory / "config.json"
        if not path.exists():
            raise OSError(f"{directory} does not appear to have a file named config.json")
        return cls(json.loads(path.read_bytes()))

    def fact(self, name: str) -> int:
        """Return a size; AttributeError, as transformers raises it, where no spelling of it is there."""
        for key in NAMES[name]:
            if self.raw.get(key) is not None:
                return int(self.raw[key])
        if name == "positions":
            return 2048
        if name == "intermediate":
            return 4 * self.fact("hidden")
        raise AttributeError(f"'{self.type}Config' object has no attribute {NAMES[name][0]!r}")

    @property
    def type(self) -> str:
        return str(self.raw.get("model_type", ""))

    @property
    def architecture(self) -> str:
        return str((self.raw.get("architectures") or [""])[0])

    @property
    def head_size(self) -> int:
        own = self.raw.get("head_dim") or self.raw.get("kv_channels")
        return int(own or self.fact("hidden") // self.fact("heads"))

    @property
    def kv_heads(self) -> int:
        """The number of key and value heads."""
        raw, heads = self.raw, self.fact("heads")
        if self.type in ("falcon", "RefinedWeb", "RefinedWebModel"):
            if raw.get("new_decoder_architecture"):
                return int(raw.get("num_kv_heads") or heads)
            return 1 if raw.get("multi_query", True) else heads
        if self.type == "gpt_bigcode":
            return 1 if raw.get("multi_query", True) else heads
        if raw.get("multi_query_attention"):
            return int(raw["multi_query_group_num"])
        return int(raw.get("num_key_value_heads") or heads)

    @property
    def tied(self) -> bool:
        """Whether transformers takes the embedding for the head."""
        return bool(self.raw.get("tie_word_embeddings", self.type in ("gpt2", "gpt_bigcode", "falcon")))

    def dtype(self, wanted: str) -> str:
        """Return the data type for a `dtype` argument."""
        own = str(self.raw.get("torch_dtype") or "float16")
        found = ("float16" if own == "float32" else own) if wanted == "auto" else wanted
        if found not in ("float16", "bfloat16", "float32"):
            raise ValueError(f"unsupported dtype {found!r}")
        return found
