"""From an `EngineRequest` to the LLM API's `SamplingParams`, which take everything by keyword (1.0 and later)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from djl_trtllm.core import EngineRequest, Guide, GuideKind
from djl_trtllm.engines.trtllm import bias
from djl_trtllm.engines.trtllm.requests import SEED_BITS, drawing, penalties
from djl_trtllm.engines.trtllm.sequences import Ends

_GUIDES: Mapping[GuideKind, str] = {
    GuideKind.JSON: "json",
    GuideKind.REGEX: "regex",
    GuideKind.GRAMMAR: "grammar",
}


def guide_values(guide: Guide) -> dict[str, str]:
    """Return the keyword argument of `llmapi.GuidedDecodingParams`."""
    return {_GUIDES[guide.kind]: guide.text}


def sampling_values(request: EngineRequest, ends: Ends, vocab_size: int) -> dict[str, Any]:
    """Return the keyword arguments for one request.

    Without a tokenizer the library wants `end_id` from us, -1 where there is none. Further end tokens go as stop
    tokens, unless there is a least length, which they do not know: then they are watched for in the answers.
    """
    s = request.sampling
    values: dict[str, Any] = {
        "max_tokens": s.max_new_tokens,
        "end_id": ends.first,
        "detokenize": False,
        # Else a stop token is taken out of the tokens that have been sent already.
        "include_stop_str_in_output": True,
        **penalties(s),
    }
    if s.ignore_eos:
        values["ignore_eos"] = True
    elif ends.others and not s.min_new_tokens:
        values["stop_token_ids"] = list(ends.others)
    if s.min_new_tokens:
        values["min_tokens"] = s.min_new_tokens
    if s.logprobs or s.top_logprobs:
        values["logprobs"] = max(1, s.top_logprobs)  # 0 is none at all for the PyTorch backend before 1.3
    if s.bad_words:
        values["bad_token_ids"] = [token for (token,) in s.bad_words]
    if s.logit_bias:
        values["embedding_bias"] = bias.tensor(s.logit_bias, vocab_size, "float32")
    if s.num_beams > 1:
        values |= {"use_beam_search": True, "n": s.num_beams, "best_of": s.num_beams}
        values["length_penalty"] = float(s.length_penalty)
    elif s.do_sample:
        values |= drawing(s, vocab_size)
        values["seed"] = s.seed & SEED_BITS
        if s.min_p:
            values["min_p"] = float(s.min_p)
    return values
