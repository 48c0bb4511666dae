"""One call to resolve options for a checkpoint that is only its config.json."""

from __future__ import annotations

from pathlib import Path

from djl_trtllm.core import Checkpoint
from djl_trtllm.engines.trtllm.option_map import resolve
from djl_trtllm.engines.trtllm.resolved import Resolved
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.options import sources

LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 32000,
    "torch_dtype": "float16",
}


def resolved(
    config: dict[str, object] | None = None, release: str = "0.14.0", ranks: int = 1, **options: object
) -> Resolved:
    values = {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()
    }
    config = LLAMA | (config or {})
    checkpoint = Checkpoint(Path("m"), str(config["model_type"]), config, "org/model")
    return resolve(sources.read(values, {}), Release.of(release), checkpoint, ranks)


def refusal(
    config: dict[str, object] | None = None, release: str = "0.14.0", ranks: int = 1, **options: object
) -> str:
    """Return the only problem."""
    (problem,) = resolved(config, release, ranks, **options).problems
    return problem
