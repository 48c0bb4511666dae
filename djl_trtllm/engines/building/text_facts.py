"""What serving needs to know about a model's text, written once while transformers is at hand.

tokenizer.json in the form that the `tokenizers` library reads, and text.json: ids that end a text, special ids,
chat template, sizes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from djl_trtllm.errors import CompileError
from djl_trtllm.model.families import max_positions

_COPIED = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
)
_SAMPLES = (
    "Hello, world!",
    " two  spaces\n\nand\ttabs ",
    "Grüße, 日本語 🙂, naïve café 1234567890",
    "def f(x):\n    return x ** 2",
    "",
)


@dataclass(frozen=True, slots=True)
class Text:
    """Whose text it is, the directory of its tokenizer, and how much longer than the checkpoint says a text may get."""

    origin: str
    tokenizer: str
    trust_remote_code: bool = False
    position_factor: float = 1.0


def write(text: Text, source: Path, out: Path, note: Callable[[str], None]) -> None:
    """Write tokenizer.json, text.json and the tokenizer's configuration into `out`."""
    tokenizer = _load(text)
    directory = Path(text.tokenizer)
    for name in _COPIED:
        origin = source if name == "generation_config.json" else directory
        if (origin / name).is_file():
            shutil.copyfile(origin / name, out / name)
    _write_tokenizer(text, tokenizer, directory / "tokenizer.json", out / "tokenizer.json", note)
    facts = _facts(text, tokenizer, source)
    (out / "text.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")


def _load(text: Text) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(  # nosec B615 # a directory here
            text.tokenizer, local_files_only=True, trust_remote_code=text.trust_remote_code
        )
    except Exception as error:
        raise CompileError(
            f"The tokenizer of {text.origin} cannot be loaded: {' '.join(str(error).split())[:300]}"
            " Its files (tokenizer.json, or tokenizer.model and tokenizer_config.json) must be in the checkpoint;"
            " option.tokenizer can name another directory."
        ) from error


def _write_tokenizer(
    text: Text, tokenizer: Any, original: Path, target: Path, note: Callable[[str], None]
) -> None:
    """Keep the checkpoint's tokenizer.json where it encodes as transformers does, else write transformers' own."""
    from tokenizers import Tokenizer

    expected = [list(tokenizer(sample)["input_ids"]) for sample in _SAMPLES]
    if original.is_file() and _encodings(Tokenizer.from_file(str(original))) == expected:
        shutil.copyfile(original, target)
        return
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise CompileError(
            f"The tokenizer of {text.origin} ({type(tokenizer).__name__}) cannot be converted to tokenizer.json."
            " Give a directory with a converted one as option.tokenizer."
        )
    backend.no_truncation()
    backend.no_padding()
    backend.save(str(target))
    if _encodings(Tokenizer.from_file(str(target))) != expected:
        raise CompileError(
            f"The tokenizer of {text.origin} ({type(tokenizer).__name__}) encodes differently once it is converted."
            " Give a directory with a tokenizer.json as option.tokenizer."
        )
    if original.is_file():
        note(
            "tokenizer.json was rewritten: transformers encodes otherwise than the file in the checkpoint says"
        )


def _encodings(tokenizer: Any) -> list[list[int]]:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return [tokenizer.encode(sample).ids for sample in _SAMPLES]


def _facts(text: Text, tokenizer: Any, source: Path) -> dict[str, object]:
    config = _json(source / "config.json")
    generation = _json(source / "generation_config.json")
    ends = {
        *_ids(generation.get("eos_token_id")),
        *_ids(config.get("eos_token_id")),
        *_ids(tokenizer.eos_token_id),
    }
    begin = [
        *_ids(tokenizer.bos_token_id),
        *_ids(generation.get("bos_token_id")),
        *_ids(config.get("bos_token_id")),
    ]
    special = {token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special}
    positions = max_positions(config)
    template = tokenizer.chat_template
    if isinstance(template, dict):  # several, by name
        template = template.get("default")
    vocab_size = config.get("vocab_size")
    return {
        "eos_token_ids": sorted(ends),
        "bos_token_id": begin[0] if begin else None,
        "special_token_ids": sorted({*special, *tokenizer.all_special_ids}),
        "chat_template": template,
        "vocab_size": vocab_size if isinstance(vocab_size, int) else len(tokenizer),
        "max_position_embeddings": int(positions * text.position_factor) if positions else None,
        "model_type": config.get("model_type"),
    }


def _ids(value: object) -> Iterator[int]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, int) and not isinstance(one, bool) and one >= 0:
            yield one


def _json(file: Path) -> dict[str, object]:
    if not file.is_file():
        return {}
    content = json.loads(file.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
