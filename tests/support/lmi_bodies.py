"""Bodies of every request schema for tests, and the limits they are read under."""

from __future__ import annotations

import json

from djl_trtllm.core import Features, GuideKind, Limit, Limits, Request
from djl_trtllm.errors import BodyTooLarge, InvalidRequest
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.schemas import Schemas
from djl_trtllm.text.template import ChatTemplate

LIMITS = Limits(
    max_input_len=Limit(1024, "max_input_len"),
    max_output_len=Limit(512, "max_output_len"),
    max_sequence_len=Limit(2048, "the model"),
    max_batch_size=Limit(32, "max_rolling_batch_size"),
    kv_cache_tokens=Limit(100_000, "openvino_kv_cache"),
    vocab_size=Limit(49152, "the model"),
)

DEFAULTS = Defaults()
FEATURES = Features()
EVERYTHING = Features(
    bad_words=True, logit_bias=True, top_logprobs=20, prompt_logprobs=True, guides=frozenset(GuideKind)
)
TEMPLATE = ChatTemplate(
    "{% if tools %}[tools {{ tools | tojson }}]\n{% endif %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}"
    "{% for c in m.tool_calls or [] %}[call {{ c.function.name }} {{ c.function.arguments | tojson }}]{% endfor %}"
    "</{{ m.role }}>\n{% endfor %}"
    "{% if mood is defined %}[{{ mood }}]{% endif %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}",
    {},
)


def read(
    body: bytes | str,
    content_type: str = "application/json",
    defaults: Defaults = DEFAULTS,
    features: Features = FEATURES,
    seed: int | None = 11,
    accept: str = "",
    template: ChatTemplate | None = TEMPLATE,
) -> Request:
    """Parse a body under `LIMITS`."""
    data = body.encode() if isinstance(body, str) else body
    schemas = Schemas(defaults, LIMITS, features, template, lambda ids: " ".join(map(str, ids)))
    return schemas.parse(data, content_type, accept, seed)


def body(**parameters: object) -> bytes:
    """Return a body of LMI's schema with a prompt and these parameters."""
    return json.dumps({"inputs": "Once upon", "parameters": parameters}).encode()


def chat(**fields: object) -> bytes:
    """Return a chat with one message and these fields."""
    return json.dumps({"messages": [{"role": "user", "content": "Hello"}], **fields}).encode()


def completion(**fields: object) -> bytes:
    """Return a body of OpenAI's completions with a prompt and these fields."""
    return json.dumps({"prompt": "Once upon", **fields}).encode()


def check_refused(error: InvalidRequest | BodyTooLarge, canary: str, body: bytes) -> None:
    """A refusal names its problems in sentences and repeats nothing of the client's, such as `canary`."""
    assert error.problems, body
    for problem in error.problems:
        assert canary not in problem, body
        assert problem.endswith((".", "?")), (problem, body)
    assert len(error.wire_text()) <= 300, body


def check_taken(request: object, canary: str) -> None:
    """A request that was taken keeps to every limit, and its warnings repeat nothing of the client's."""
    assert isinstance(request, Request)
    assert all(prompt.text or prompt.ids for prompt in request.prompts)
    assert 1 <= request.n <= request.sequences
    assert len(request.prompts) * request.sequences <= 32
    assert 0 <= request.sampling.min_new_tokens <= request.sampling.max_new_tokens <= 512
    assert all(canary not in warning for warning in request.warnings)
    for prompt in request.prompts:
        assert "\0" not in prompt.text
        prompt.text.encode()
