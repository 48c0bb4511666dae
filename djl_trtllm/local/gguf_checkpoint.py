"""Turn a GGUF file of a Llama model with a byte-level BPE tokenizer into a Hugging Face checkpoint.

`python -m djl_trtllm.local.gguf_checkpoint model.gguf directory`; prints percents. Needs the packages gguf, numpy,
safetensors and tokenizers, and neither torch nor transformers.

The weights become what the quantised blocks stand for, in fp32. llama.cpp stores the rows of the query and key
projections in the order its rotary embedding wants; they are put back. The tokenizer is rebuilt from the tokens and
merges in the file: transformers 5.5.4 reads it wrongly (each space becomes <|endoftext|>).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TOP = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_CONTROL = 3  # token type of control tokens in GGUF


def main(source: Path, out: Path) -> None:
    """Read `source` and write config.json, the weights and the tokenizer into the directory `out`."""
    from gguf import GGUFReader

    reader = GGUFReader(source)
    facts = {name: field.contents() for name, field in reader.fields.items()}
    if facts["general.architecture"] != "llama" or facts["tokenizer.ggml.model"] != "gpt2":
        raise SystemExit(f"{source.name} is not a Llama model with a byte-level BPE tokenizer")
    print(30, flush=True)  # noqa: T201 - read by the parent
    _write_tokenizer(facts, out)
    names = {tensor.name for tensor in reader.tensors}
    _write_configuration(facts, out, tied="output.weight" not in names)
    print(40, flush=True)  # noqa: T201
    _write_weights(reader.tensors, facts, out)
    print(100, flush=True)  # noqa: T201


def _write_weights(tensors: Any, facts: Mapping[str, Any], out: Path) -> None:
    import numpy as np
    from gguf import dequantize
    from safetensors.numpy import save_file

    heads = {"attn_q": facts["llama.attention.head_count"], "attn_k": facts["llama.attention.head_count_kv"]}
    weights = {}
    for tensor in tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
        part = tensor.name.split(".")[2] if tensor.name.startswith("blk.") else ""
        if part in heads:
            values = _rows_back(values, heads[part])
        weights[_name(tensor.name)] = np.ascontiguousarray(values)
    file = out / "model.safetensors"
    save_file(weights, file, metadata={"format": "pt"})
    file.chmod(0o644)


def _rows_back(values: Any, heads: int) -> Any:
    """Undo llama.cpp's order of rows: within a head, pairs (i, i + half) lie next to each other there."""
    rows, columns = values.shape
    return values.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _name(name: str) -> str:
    if name in _TOP:
        return _TOP[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{_LAYER[part]}.{kind}"


def _write_configuration(facts: Mapping[str, Any], out: Path, *, tied: bool) -> None:
    heads = facts["llama.attention.head_count"]
    ids = {f"{name}_token_id": facts.get(f"tokenizer.ggml.{file}_token_id") for name, file in _IDS.items()}
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "hidden_act": "silu",
        "hidden_size": facts["llama.embedding_length"],
        "intermediate_size": facts["llama.feed_forward_length"],
        "num_hidden_layers": facts["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": facts["llama.attention.head_count_kv"],
        "head_dim": facts["llama.embedding_length"] // heads,
        "max_position_embeddings": facts["llama.context_length"],
        "rms_norm_eps": float(
            f"{facts['llama.attention.layer_norm_rms_epsilon']:.6g}"
        ),  # was stored as a float32
        "rope_parameters": {"rope_type": "default", "rope_theta": facts["llama.rope.freq_base"]},
        "tie_word_embeddings": tied,
        "vocab_size": facts["llama.vocab_size"],
        **ids,
    }
    _write_json(out / "config.json", config)
    _write_json(out / "generation_config.json", ids)


_IDS = {"bos": "bos", "eos": "eos", "pad": "padding"}


def _write_tokenizer(facts: Mapping[str, Any], out: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = facts["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in facts["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(
        models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges)
    )
    # Each digit is a token of its own ("smollm" in llama.cpp's list of pre-tokenizers), then GPT-2's splitting.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [
        token
        for token, kind in zip(tokens, facts["tokenizer.ggml.token_type"], strict=True)
        if kind == _CONTROL
    ]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    tokenizer.save(str(out / "tokenizer.json"))
    special = {
        f"{name}_token": tokens[facts[f"tokenizer.ggml.{file}_token_id"]]
        for name, file in {**_IDS, "unk": "unknown"}.items()
    }
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": facts["llama.context_length"],
        "chat_template": facts["tokenizer.chat_template"],
        **special,
    }
    _write_json(out / "tokenizer_config.json", configuration)


def _write_json(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
