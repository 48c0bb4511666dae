"""What a model's files say about its tokens beyond tokenizer.json: ends of generation, template, sizes.

A compiled model has it all in text.json. A Hugging Face checkpoint spreads it over generation_config.json,
config.json, tokenizer_config.json, special_tokens_map.json and chat_template.jinja.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from djl_trtllm.errors import ArtifactError

_NAMES = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about one model's tokens. `special_tokens` maps names such as bos_token to their strings."""

    eos_ids: tuple[int, ...] = ()
    vocab_size: int = 0
    longest_token_bytes: int | None = None
    chat_template: str | None = None
    special_tokens: Mapping[str, str] = field(default_factory=dict)

    @property
    def bos_token(self) -> str:
        """The token a text begins with, "" if none."""
        return self.special_tokens.get("bos_token", "")

    @property
    def eos_token(self) -> str:
        """The token a text ends with, "" if none."""
        return self.special_tokens.get("eos_token", "")


def read(directory: Path, tokenizer: Any) -> Facts:
    """Read what the directory has. A missing file is no error; one that is not JSON raises ArtifactError."""
    compiled = _object(directory / "text.json")
    generation = _object(directory / "generation_config.json")
    config = _object(directory / "config.json")
    settings = _object(directory / "tokenizer_config.json")
    special = _special_tokens(_object(directory / "special_tokens_map.json") | settings)
    return Facts(
        eos_ids=_eos_ids(compiled, generation, config, special, tokenizer),
        vocab_size=_whole(compiled.get("vocab_size")) or _whole(config.get("vocab_size")),
        longest_token_bytes=_length(compiled.get("longest_token_bytes")),
        chat_template=_template(directory, compiled, settings),
        special_tokens=special,
    )


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ArtifactError(f"{path} is not a JSON object.")
    return value


def _special_tokens(settings: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name in _NAMES:
        token = settings.get(name)
        if isinstance(token, dict):  # older files write the whole AddedToken
            token = token.get("content")
        if isinstance(token, str):
            found[name] = token
    return found


def _eos_ids(
    compiled: Mapping[str, Any],
    generation: Mapping[str, Any],
    config: Mapping[str, Any],
    special: Mapping[str, str],
    tokenizer: Any,
) -> tuple[int, ...]:
    if "eos_token_ids" in compiled:
        return _ids(compiled["eos_token_ids"])
    named = tokenizer.token_to_id(special["eos_token"]) if "eos_token" in special else None
    ids = (*_ids(generation.get("eos_token_id")), *_ids(config.get("eos_token_id")), *_ids(named))
    return tuple(dict.fromkeys(ids))


def _ids(value: object) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(
        item for item in values if isinstance(item, int) and not isinstance(item, bool) and item >= 0
    )


def _whole(value: object) -> int:
    return _length(value) or 0


def _length(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _template(directory: Path, compiled: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    path = directory / "chat_template.jinja"
    template = compiled.get("chat_template")
    if template is None and path.is_file():
        template = path.read_text(encoding="utf-8", errors="replace")
    if template is None:
        template = settings.get("chat_template")
    if isinstance(template, list):  # several named templates
        named = {item.get("name"): item.get("template") for item in template if isinstance(item, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else None
