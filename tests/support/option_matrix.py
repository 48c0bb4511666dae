"""Another value of each option of the table, and whether it changes the key of what is compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from djl_trtllm.compile.plan import key
from djl_trtllm.core import Checkpoint, Plan
from djl_trtllm.engines.base import Runtime
from djl_trtllm.engines.trtllm import gpus, versions
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.errors import OptionsError, UnsupportedModel
from djl_trtllm.model import checkpoint
from djl_trtllm.options import sources
from djl_trtllm.options.table import SPECS
from tests.contract.option_cases import FAMILIES, span
from tests.support import checkpoints

LLAMA = {"vocab_size": 32000, "torch_dtype": "float16", "max_position_embeddings": 8192, **FAMILIES["llama"]}


@dataclass(frozen=True, slots=True)
class Change:
    """Another value of an option, and what it takes for it to mean something.

    `before` and `after` are the number of ranks; `config` is laid over a LLaMA's config.json.
    """

    value: str
    needs: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, object] = field(default_factory=dict)
    before: int = 1
    after: int = 1


def needing(value: str, **needs: str) -> Change:
    return Change(value, needs)


CHATGLM = {"model_type": "chatglm", "architectures": ["ChatGLMModel"], "padded_vocab_size": 65024}
BAICHUAN = {"model_type": "baichuan", "architectures": ["BaichuanForCausalLM"]}
SCALED = {"rotary_scaling_type": "linear", "rotary_scaling_factor": "2"}
TP = {"tensor_parallel_degree": "1"}

CHANGES: Mapping[str, Change] = {
    "model_id": Change("{copy}"),
    "revision": Change("main"),
    "trust_remote_code": Change("true"),
    "tokenizer": Change("{tokenizer}"),
    "allow_pickle_weights": Change("true"),
    "dtype": Change("bf16"),
    "tensor_parallel_degree": Change("2", TP, after=2),
    "pipeline_parallel_degree": Change("2", TP, after=2),
    "rolling_batch": Change("disable"),
    "max_rolling_batch_size": Change("7"),
    "max_input_len": Change("99"),
    "max_output_len": Change("99"),
    "max_num_tokens": Change("4096"),
    "use_custom_all_reduce": Change("true"),
    "tokens_per_block": Change("64"),
    "batch_scheduler_policy": Change("guaranteed_no_evict"),
    "kv_cache_free_gpu_mem_fraction": Change("0.5"),
    "max_num_sequences": Change("16"),
    "enable_trt_overlap": Change("true"),
    "enable_kv_cache_reuse": Change("true"),
    "baichuan_model_version": Change("v2_7b", config=BAICHUAN),
    "chatglm_model_version": Change("chatglm2_6b", {"chatglm_model_version": "chatglm3_6b"}, CHATGLM),
    "gpt_model_version": Change("gpt2", config=FAMILIES["gpt2"]),
    "multi_block_mode": Change("true"),
    "use_fused_mlp": Change("true"),
    "rotary_base": Change("20000"),
    "rotary_dim": Change("32", config=FAMILIES["gptj"]),
    "rotary_scaling_type": Change("dynamic", SCALED),
    "rotary_scaling_factor": Change("3", SCALED),
    "quantize": Change("int8"),
    "smoothquant_alpha": needing("0.3", quantize="smoothquant"),
    "smoothquant_per_token": needing("true", quantize="smoothquant"),
    "smoothquant_per_channel": needing("true", quantize="smoothquant"),
    "multi_query_mode": Change("true"),
    "calib_size": needing("700", quantize="awq"),
    "calib_batch_size": needing("2", quantize="awq"),
    "calib_dataset": needing("{text}", quantize="awq"),
    "awq_block_size": needing("64", quantize="awq"),
    "quality_floor": needing("0.5", quantize="awq"),
    "logits_dtype": Change("fp16"),
    "load_by_shard": Change("true"),
    "use_fp8_context_fmha": needing("true", quantize="fp8"),
    "num_checkpoint_workers": Change("3"),
    "num_engine_workers": Change("3"),
    "trtllm_checkpoint_path": Change("/tmp/x"),
    "enable_chunked_context": Change("true"),
    "max_beam_width": Change("2"),
    "kv_cache_host_memory_bytes": Change("2GiB"),
    "output_formatter": Change("jsonlines"),
    "default_max_new_tokens": Change("7"),
    "on_long_input": Change("truncate_left"),
    "unknown_parameters": Change("reject"),
    "unknown_options": Change("reject"),
    "error_codes": Change("lmi"),
    "tgi_compat": Change("true"),
    "guided_decoding": Change("off"),
    "guide_max_bytes": Change("1KiB"),
    "guide_timeout": Change("3"),
    "queue_max_tokens": Change("1000"),
    "runtime": Change("{runtime}"),
    "cache_dir": Change("{elsewhere}"),
    "cache": Change("off"),
    "cache_max_size": Change("1GiB"),
    "cache_remote": Change("s3://bucket/models"),
    "predict_timeout": Change("77"),
    "model_loading_timeout": Change("777"),
    "rank_timeout": Change("17"),
    "stall_timeout": Change("17"),
    "log_requests": Change("off"),
    "log_format": Change("json"),
    "metrics_port": Change("9090"),
    "metrics_host": Change("127.0.0.1"),
    "tracing": Change("otlp"),
    "openvino_precision": Change("exact"),
    "openvino_kv_cache": Change("1GiB"),
    "openvino_step_tokens": Change("64"),
    "openvino_threads": Change("2"),
    "openvino_group_size": needing("64", quantize="int4"),
}
"""Another valid value of every option but the one that has no other. `{...}` are things that the test has made."""

NO_EFFECT: Mapping[str, frozenset[str]] = {
    "multi_block_mode": span("0.12.0", "1.2~"),
    "use_custom_all_reduce": span("0.12.0", "1.2~"),
    "use_fused_mlp": frozenset(("0.8.0",)),
}
"""Releases whose builder does not have the option any more, or not yet."""


QUICK = ("0.8.0", "0.12.0", "1.2~")


class Site:
    """A machine with two GPUs, and the files that options can name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tokenizer").mkdir()
        (root / "tokenizer" / "tokenizer.json").write_text("{}")
        (root / "text").write_text("hello")
        self._models: dict[str, Checkpoint] = {}
        self._bases: dict[str, Plan | None] = {}

    def model(self, config: Mapping[str, object], copy: str = "") -> Checkpoint:
        name = f"{config['model_type']}{copy}"
        if name not in self._models:
            self._models[name] = checkpoint.read(checkpoints.write(self.root / name, **config), "my model")
        return self._models[name]

    def base(self, runtime: Runtime, change: Change) -> Plan | None:
        """The plan without the change; most changes have the same."""
        name = repr((runtime.name, versions.installed(), change.needs, change.config, change.before))
        if name not in self._bases:
            self._bases[name] = self.plan(runtime, change, {}, change.before)
        return self._bases[name]

    def plan(self, runtime: Runtime, change: Change, settings: Mapping[str, str], ranks: int) -> Plan | None:
        """The plan of a service with these settings; what they need is set first."""
        named = {name: str(self.root / name) for name in ("copy", "tokenizer", "text", "elsewhere")}
        filled = {name: value.format(**named, runtime=runtime.name) for name, value in settings.items()}
        options = sources.read({"cache_dir": str(self.root / "cache"), **change.needs, **filled}, {})
        copy = "-copy" if "model_id" in settings else ""
        return runtime.plan(self.model({**LLAMA, **change.config}, copy), options, ranks)


@contextmanager
def site(root: Path) -> Iterator[Site]:
    """A site with two GPUs of one kind."""
    with pytest.MonkeyPatch.context() as patch:
        card = Gpu("NVIDIA L4", "8.9", 24 << 30)
        patch.setattr(gpus, "devices", lambda: (card, card))
        yield Site(root)


def changed(site: Site, runtime: Runtime, name: str, change: Change | None = None) -> bool | None:
    """Whether the option changes the key; None where it is refused."""
    change = change or CHANGES[name]
    try:
        base = site.base(runtime, change)
        other = site.plan(runtime, change, {name: change.value}, change.after)
    except (OptionsError, UnsupportedModel):
        return None
    assert (base is None) == (other is None)
    return base is not None and other is not None and key(base) != key(other)


def built_by(runtime: str, release: str = "") -> set[str]:
    """The options whose change the table says to change the key."""
    return {
        name
        for name, spec in SPECS.items()
        if runtime in spec.build and release not in NO_EFFECT.get(name, ())
    }
