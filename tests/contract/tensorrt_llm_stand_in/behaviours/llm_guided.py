"""Guided decoding in the LLM API: its own tokenizer, and what becomes of a guide."""

from __future__ import annotations

import json
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import guided
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour

KINDS = {
    "json": "JSON_SCHEMA",
    "regex": "REGEX",
    "grammar": "EBNF_GRAMMAR",
    "structural_tag": "STRUCTURAL_TAG",
}


@behaviour("tensorrt_llm.llmapi.GuidedDecodingParams")
class GuidedDecodingParams:
    """One guide at most."""

    def __init__(self, context: Context, **values: Any) -> None:
        if sum(bool(value) for value in values.values()) > 1:
            raise ValueError("Only one guide can be used for a request.")


def vocabulary(arguments: dict[str, Any], size: int) -> guided.Vocabulary | None:
    """Return the tokens for guides, which the library takes from its tokenizer in the order of their ids."""
    backend = arguments.get("guided_decoding_backend")
    if backend is None:
        return None
    tokenizer = None if arguments.get("skip_tokenizer_init") else arguments.get("tokenizer")
    if tokenizer is None:
        raise AssertionError("assert tokenizer is not None")
    ordered = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    if [number for _, number in ordered] != list(range(len(ordered))):
        raise AssertionError("the stand-in takes no tokenizer with gaps, whose tokens the library would move")
    text = tokenizer.backend_tokenizer.to_str()
    return guided.vocabulary([token for token, _ in ordered], text, [tokenizer.eos_token_id], size)


def answer(params: Any, known: guided.Vocabulary | None) -> list[int] | None:
    """Return the tokens that a request's guide leaves. Raises `NoGrammar`, ValueError without a backend."""
    guide = getattr(params, "guided_decoding", None)
    if guide is None:
        return None
    if known is None:
        raise ValueError("guided_decoding without a guided_decoding_backend (the library passes it over)")
    if params.use_beam_search:
        raise ValueError("guided decoding does not support beam search")
    for name, kind in KINDS.items():
        text = getattr(guide, name, None)
        if text is not None:
            return guided.answer(kind, json.dumps(text) if isinstance(text, dict) else text, known)
    return guided.answer("JSON", None, known) if guide.json_object else None
