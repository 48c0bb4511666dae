"""Which tokens end a text, for engines that are told so as ids."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from djl_trtllm.core import CompiledModel

_ID = re.compile(r"[0-9]{1,9}")
_FILES = ("generation_config.json", "config.json")


def end_ids(model: CompiledModel) -> tuple[int, ...]:
    """Return the end tokens in their order, none where no file names any.

    text.json of a model that we compiled says all of them. Otherwise: `eos_token_id` of generation_config.json and
    config.json, beside the tokenizer and beside the model, and the id of the tokenizer's own `eos_token`; a model's
    generation_config.json often has more than its tokenizer (Llama 3: <|eot_id|> besides <|end_of_text|>).
    """
    places = list(dict.fromkeys((model.text_path, model.path)))
    for place in places:
        compiled = _object(place / "text.json")
        if "eos_token_ids" in compiled:
            return _ids([compiled["eos_token_ids"]])
    named = [_object(place / name).get("eos_token_id") for place in places for name in _FILES]
    return _ids([*named, _own(model.text_path)])


def _own(directory: Path) -> int | None:
    """Return the id of the token that the tokenizer's configuration calls eos_token."""
    settings = _object(directory / "special_tokens_map.json") | _object(directory / "tokenizer_config.json")
    token = settings.get("eos_token")
    if isinstance(token, Mapping):  # older files write the whole AddedToken
        token = token.get("content")
    if not isinstance(token, str):
        return None
    decoder = settings.get("added_tokens_decoder")
    for text, added in (decoder if isinstance(decoder, Mapping) else {}).items():
        if isinstance(added, Mapping) and added.get("content") == token and _ID.fullmatch(text):
            return int(text)
    tokens = _object(directory / "tokenizer.json").get("added_tokens")
    for added in tokens if isinstance(tokens, list) else []:
        if isinstance(added, Mapping) and added.get("content") == token and isinstance(added.get("id"), int):
            return int(added["id"])
    return None


def _ids(values: Iterable[object]) -> tuple[int, ...]:
    flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
    ids = [one for one in flat if isinstance(one, int) and not isinstance(one, bool) and one >= 0]
    return tuple(dict.fromkeys(ids))


def _object(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
