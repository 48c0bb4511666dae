"""What the config.json beside TensorRT engines says of them.

TensorRT-LLM 0.8 and later writes `version`, `pretrained_config` and `build_config` (with `plugin_config` inside);
`max_output_len` gave way to `max_seq_len` at 0.11. The build.py scripts up to 0.7, and those of GPT and Qwen at 0.8,
wrote `builder_config` and `plugin_config`, and no version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from djl_trtllm.errors import ArtifactError
from djl_trtllm.model.engine_directory import CONFIG, is_builders

_AGAIN = "Copy the engine directory again, or build it again."


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """One engine directory. Lengths in tokens, `max_batch_size` in sequences; None where the file does not say.

    `max_seq_len` is what prompt and output may have together. `version` is None for engines of before 0.8;
    `plugins` is `plugin_config` as it stands there. `logits_dtype` is what the library's own is where nothing is said.
    """

    path: Path
    version: str | None
    architecture: str
    dtype: str
    vocab_size: int
    world_size: int
    tp_size: int
    pp_size: int
    max_input_len: int
    max_seq_len: int
    max_batch_size: int
    max_beam_width: int = 1
    max_num_tokens: int | None = None
    max_output_len: int | None = None
    cp_size: int = 1
    max_position_embeddings: int | None = None
    plugins: Mapping[str, object] = field(default_factory=dict)
    logits_dtype: str = "float32"

    @property
    def tokens_per_block(self) -> int | None:
        """Tokens in a block of the KV cache; None where it is not paged or the file does not say."""
        paged = self.plugins.get("paged_kv_cache", True)
        value = self.plugins.get("tokens_per_block")
        return value if paged and isinstance(value, int) and value > 0 else None

    @property
    def paged_context_fmha(self) -> bool:
        """Whether prompts can run over a paged KV cache, which its reuse and chunked context need."""
        return self.plugins.get("use_paged_context_fmha") is True

    @property
    def legacy(self) -> bool:
        """Whether it has the layout of before 0.8, where engine files carry the model's name."""
        return self.version is None


def read(path: Path) -> EngineFacts:
    """Read config.json of the engine directory `path`. `ArtifactError` with all that is wrong or missing there."""
    config = _config(path)
    fields = _Fields(path)
    build = config.get("build_config")
    if isinstance(build, Mapping):
        model = config.get("pretrained_config")
        if not isinstance(model, Mapping):
            raise ArtifactError(f"{CONFIG} of {path} has a build_config but no pretrained_config. {_AGAIN}")
        mapping = model.get("mapping")
        facts = _unified(
            fields, path, config, model, mapping if isinstance(mapping, Mapping) else model, build
        )
    else:
        facts = _legacy(fields, path, config)
    if fields.problems:
        raise ArtifactError(*fields.problems)
    return facts


def _unified(
    fields: _Fields,
    path: Path,
    config: Mapping[str, object],
    model: Mapping[str, object],
    mapping: Mapping[str, object],
    build: Mapping[str, object],
) -> EngineFacts:
    tp = fields.number(mapping, "tp_size", 1)
    pp = fields.number(mapping, "pp_size", 1)
    cp = fields.number(mapping, "cp_size", 1)
    input_len = fields.number(build, "max_input_len")
    output_len = fields.optional(build, "max_output_len")
    together = fields.optional(build, "max_seq_len")
    if together is None and output_len is None:
        fields.missing("max_seq_len")
    version = config.get("version")
    if not isinstance(version, str):
        fields.missing("version")
    return EngineFacts(
        path=path,
        version=str(version),
        architecture=str(model.get("architecture") or "an unknown architecture"),
        dtype=str(model.get("dtype") or "auto"),
        vocab_size=fields.number(model, "vocab_size"),
        world_size=fields.number(mapping, "world_size", tp * pp * cp),
        tp_size=tp,
        pp_size=pp,
        max_input_len=input_len,
        max_seq_len=together if together is not None else input_len + (output_len or 0),
        max_batch_size=fields.number(build, "max_batch_size"),
        max_beam_width=fields.number(build, "max_beam_width", 1),
        max_num_tokens=fields.optional(build, "max_num_tokens"),
        max_output_len=output_len,
        cp_size=cp,
        max_position_embeddings=fields.optional(model, "max_position_embeddings"),
        plugins=_mapping(build.get("plugin_config")),
        logits_dtype=str(model.get("logits_dtype") or "float32"),
    )


def _legacy(fields: _Fields, path: Path, config: Mapping[str, object]) -> EngineFacts:
    builder = _mapping(config.get("builder_config"))
    tp = fields.number(builder, "tensor_parallel", 1)
    pp = fields.number(builder, "pipeline_parallel", 1)
    input_len = fields.number(builder, "max_input_len")
    output_len = fields.number(builder, "max_output_len")
    return EngineFacts(
        path=path,
        version=None,
        architecture=str(builder.get("name") or "an unknown architecture"),
        dtype=str(builder.get("precision") or "auto"),
        vocab_size=fields.number(builder, "vocab_size"),
        world_size=tp * pp,
        tp_size=tp,
        pp_size=pp,
        max_input_len=input_len,
        max_seq_len=input_len + output_len,
        max_batch_size=fields.number(builder, "max_batch_size"),
        max_beam_width=fields.number(builder, "max_beam_width", 1),
        max_num_tokens=fields.optional(builder, "max_num_tokens"),
        max_output_len=output_len,
        max_position_embeddings=fields.optional(builder, "max_position_embeddings"),
        plugins=_mapping(config.get("plugin_config")),
    )


def _config(path: Path) -> Mapping[str, object]:
    file = path / CONFIG
    try:
        config = json.loads(file.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{file} cannot be read ({error.strerror}). {_AGAIN}") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{file} is not JSON ({file.stat().st_size} bytes); it is probably truncated. {_AGAIN}"
        ) from error
    if not isinstance(config, Mapping):
        raise ArtifactError(f"{file} holds no JSON object. {_AGAIN}")
    if not is_builders(config):
        whose = "a Hugging Face checkpoint" if "model_type" in config else "something else"
        raise ArtifactError(
            f"{file} describes {whose}: it has neither build_config nor builder_config, so the limits of the engines"
            " beside it are unknown. Put the config.json there that TensorRT-LLM wrote with the engines."
        )
    return config


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


class _Fields:
    """Takes numbers out of the file and keeps a sentence for each that is not there or no number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[str] = []

    def number(self, mapping: Mapping[str, object], name: str, default: int | None = None) -> int:
        value = self.optional(mapping, name)
        if value is None and default is None:
            self.missing(name)
        return value if value is not None else default or 0

    def optional(self, mapping: Mapping[str, object], name: str) -> int | None:
        value = mapping.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.problems.append(
                f"{CONFIG} of {self._path} has {name}={value!r}, which is no positive number."
            )
            return 1
        return value

    def missing(self, name: str) -> None:
        self.problems.append(f"{CONFIG} of {self._path} has no {name}. {_AGAIN}")
