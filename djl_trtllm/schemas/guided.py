"""The spellings in which clients ask for an answer that is bound to something."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from djl_trtllm.schemas.kinds import CHOICES, JSON_OBJECT, TEXT, Choices, says


# Rows read best as a table.
# fmt: off
class Guided(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Parameters that bind the answer: vLLM's and LMI's names, and OpenAI's. At most one of them in a request."""

    response_format: Annotated[dict[str, Any], says(JSON_OBJECT,
        "OpenAI's: type `text`, `json_object`, or `json_schema` with `json_schema.schema`.")] | None = None
    guided_json: Annotated[dict[str, Any] | str, says("an object or a text",
        "JSON schema of the answer, as an object or as text.")] | None = None
    guided_regex: Annotated[str, says(TEXT, "Regular expression for the whole answer.")] | None = None
    guided_choice: Annotated[Choices, says(CHOICES, "The answer is one of these texts.")] | None = None
    guided_grammar: Annotated[str, says(TEXT, "EBNF grammar of the answer.")] | None = None
    guided_decoding: Annotated[dict[str, Any], says(JSON_OBJECT,
        "One of `json`, `json_object`, `regex`, `choice`, `grammar`, as TensorRT-LLM and vLLM have it.")] | None = None
    structured_outputs: Annotated[dict[str, Any], says(JSON_OBJECT,
        "The same as guided_decoding; newer name in vLLM.")] | None = None
# fmt: on
