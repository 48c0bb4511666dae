"""What the engine's process and its parent tell each other: one class per message, msgpack arrays on the wire.

The parent sends one `Start`, then `Submit` and `Cancel`, then `Close`. The child answers `Start` with `Ready`
or `Failed`, and then sends one `Step` per pipeline step with the news of every sequence.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import msgspec

GOING, STOPPED, LENGTH, IGNORED, REFUSED, BROKEN = range(6)
"""`Chunk.end`: not ended; met a stop token; reached max_new_tokens; no room in the KV cache; `add_request`
raised; `step` raised while it was in flight."""

MEMORY, LIBRARIES, OTHER = "memory", "libraries", "other"
"""`Failed.kind`: memory ran out; OpenVINO cannot be imported; anything else, as a model that it cannot read."""


JSON, REGEX, GRAMMAR = "json_schema", "regex", "grammar"
"""`Bound.kind`, as StructuredOutputConfig names its arguments."""


class Start(msgspec.Struct, array_like=True, tag="start", frozen=True):
    """Construct the pipeline.

    `properties` have OpenVINO's own names; `stop_ids` end every sequence that has `ignore_eos` false. `guide` is the
    directory of what binding answers needs, "" where answers are never bound.
    """

    model: str
    kv_blocks: int
    step_tokens: int
    max_sequences: int
    prefix_caching: bool
    properties: dict[str, str | int | bool]
    stop_ids: list[int]
    guide: str = ""


class Sampling(msgspec.Struct, array_like=True, frozen=True):
    """Sampling parameters as the pipeline takes them; `top_k` 0 means no filter, `seed` fits an int64."""

    max_new_tokens: int
    min_new_tokens: int
    do_sample: bool
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    seed: int
    ignore_eos: bool
    logprobs: bool


class Bound(msgspec.Struct, array_like=True, frozen=True):
    """What an answer is bound to; `kind` is one of `JSON`, `REGEX` and `GRAMMAR`."""

    kind: str
    text: str


class Sequenced(msgspec.Struct, array_like=True, frozen=True):
    """One sequence to run. `prompt` holds its token ids as native int64, see `pack_ids`."""

    id: int
    prompt: bytes
    sampling: Sampling
    guide: Bound | None = None


class Submit(msgspec.Struct, array_like=True, tag="submit", frozen=True):
    """Run these as well."""

    sequences: list[Sequenced]


class Cancel(msgspec.Struct, array_like=True, tag="cancel", frozen=True):
    """Forget these. The child sends nothing more for them; the parent has answered already."""

    ids: list[int]


class Close(msgspec.Struct, array_like=True, tag="close", frozen=True):
    """End the process."""


class Ready(msgspec.Struct, array_like=True, tag="ready", frozen=True):
    """The pipeline is constructed."""

    seconds: float


class Failed(msgspec.Struct, array_like=True, tag="failed", frozen=True):
    """The process cannot go on and ends: the pipeline could not be constructed, or broke beyond repair."""

    kind: str
    text: str


class Chunk(msgspec.Struct, array_like=True):
    """News of one sequence from one step. `logprobs` only when asked for, one per token."""

    id: int
    tokens: list[int]
    logprobs: list[float] | None = None
    end: int = GOING


class Load(msgspec.Struct, array_like=True):
    """How busy the pipeline is: sequences in its last step, used part of its KV cache."""

    running: int
    kv_used_percent: float


class Step(msgspec.Struct, array_like=True, tag="step"):
    """What one step produced. Without `load` it is news of requests that never got into a step."""

    chunks: list[Chunk]
    load: Load | None = None


ToChild = Start | Submit | Cancel | Close
ToParent = Ready | Failed | Step

encode = msgspec.msgpack.Encoder().encode
decode_to_child = msgspec.msgpack.Decoder(ToChild).decode
decode_to_parent = msgspec.msgpack.Decoder(ToParent).decode


def pack_ids(ids: Sequence[int]) -> bytes:
    """Token ids as native int64 bytes: a prompt of any length costs the child no Python objects."""
    return array("q", ids).tobytes()
