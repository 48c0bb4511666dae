"""The vocabulary every part of the package speaks.

A client's body becomes a `Request`; one `EngineRequest` per sequence goes to the engine; `TokenChunk`s come
back through the `Inbox`. Token ids are plain ints, times are seconds, sizes are bytes unless a name says tokens.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from djl_trtllm.errors import DjlTrtllmError


class FinishReason(enum.Enum):
    """Why a sequence ended, spelled as LMI's response schema spells it (LMI docs, v9 to v0.36)."""

    EOS = "eos_token"
    STOP = "stop_sequence"
    LENGTH = "length"
    ERROR = "error"
    CANCELLED = "cancelled"


SEED_MASK = 2**63 - 1
"""Seeds are reduced to 63 bits, which every engine takes."""


def seed_of(seed: int, index: int) -> int:
    """Return the seed of one of a request's sequences: each has the one after its predecessor's."""
    return (seed + index) & SEED_MASK


@dataclass(slots=True)
class SamplingParams:
    """How to sample one sequence, validated and with every default filled in.

    Never changed once made; not `frozen` for the reason that `TokenChunk` gives.

    `top_k` 0 and `top_p` 1.0 mean no filter. Greedy when `do_sample` is false. `max_new_tokens` is already
    capped by the output limit and the context that the prompt leaves. `logprobs` asks for those of the sampled tokens,
    `top_logprobs` for so many alternatives of each as well, `prompt_logprobs` for those of the prompt. `bad_words` are
    runs of token ids that must not come, `logit_bias` pairs of a token id and what is added to its logit.
    """

    max_new_tokens: int
    min_new_tokens: int = 0
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    length_penalty: float = 1.0
    seed: int = 0
    ignore_eos: bool = False
    num_beams: int = 1
    logprobs: bool = False
    top_logprobs: int = 0
    prompt_logprobs: bool = False
    bad_words: tuple[tuple[int, ...], ...] = ()
    logit_bias: tuple[tuple[int, float], ...] = ()


class GuideKind(enum.Enum):
    """What language a guide is written in."""

    JSON = "JSON schema"
    REGEX = "regular expression"
    GRAMMAR = "grammar"


@dataclass(frozen=True, slots=True)
class Guide:
    """What an answer is bound to: a JSON schema, a regular expression for the whole answer, or an EBNF grammar."""

    kind: GuideKind
    text: str


class ToolChoice(enum.Enum):
    """What a chat's answer may do with the tools it was offered: nothing, as it likes, at least one, the one named."""

    NONE = "none"
    AUTO = "auto"
    REQUIRED = "required"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class OpenAI:
    """What a response of OpenAI's API repeats from its request, and what its client asked to see.

    `id` and `created` (seconds since 1970) are the response's own. `tool` is the function that NAMED names.
    `top_logprobs` is how many alternatives are shown of each token, at most as many as the engine was asked for.
    """

    id: str
    created: int
    model: str
    include_usage: bool = False
    logprobs: bool = False
    top_logprobs: int = 0
    echo: bool = False
    tools: ToolChoice = ToolChoice.NONE
    tool: str = ""


@dataclass(slots=True)
class Prompt:
    """One text to continue. `ids` are filled by the admission step where the client did not send them.

    `special` adds the special tokens that a tokenizer puts around a text; a chat template has put them there itself.
    """

    text: str = ""
    ids: Sequence[int] = ()
    special: bool = True


@dataclass(slots=True)
class Request:
    """One client's request after parsing: what to generate from, how, and how to answer.

    Each prompt is continued by `sequences` sequences, of which the client gets the first `n`, or the likeliest ones
    where there are more. `listed` says that the client sent a list, and so expects one.

    `max_input_len` clipping has happened only where `truncate` asked for it; the input limit is checked on the
    prompts' ids by the admission step, which also fills them, and makes `sampling.bad_words` of `bad_sequences`.
    """

    prompts: Sequence[Prompt]
    sampling: SamplingParams
    output_format: str
    n: int = 1
    sequences: int = 1
    listed: bool = False
    stops: tuple[str, ...] = ()
    include_stop: bool = False
    bad_sequences: tuple[str, ...] = ()
    guide: Guide | None = None
    stream: bool = False
    details: bool = False
    return_full_text: bool = False
    truncate: int | None = None
    skip_special_tokens: bool = True
    openai: OpenAI | None = None
    length_asked: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """One sequence for the engine. `id` is ours, grows monotonically and is never used twice in a process.

    `guide` has passed the engine's own check (`Engine.check`).
    """

    id: int
    prompt_ids: Sequence[int]
    sampling: SamplingParams
    guide: Guide | None = None


Alternatives = Sequence[tuple[int, float]]
"""The likeliest tokens of one position, best first: (id, natural log-probability)."""


@dataclass(slots=True)
class TokenChunk:
    """News of one sequence: new tokens, and at most one ending. Never changed once made.

    Not `frozen`, because making a frozen one takes three times as long, and there is one a token.

    `logprobs` (natural log, one per token) only when asked for; always finite. `finish` and `error` exclude
    each other; after a chunk with either, nothing more comes for that id. An EOS token is part of `tokens`.
    `tops`, where asked for, has one list per token; `prompt_logprobs`, where asked for, comes with the first chunk and
    has one entry per prompt token, None where there is none, as for the first.
    """

    id: int
    tokens: Sequence[int] = ()
    logprobs: Sequence[float] | None = None
    finish: FinishReason | None = None
    error: DjlTrtllmError | None = None
    tops: Sequence[Alternatives] | None = None
    prompt_logprobs: Sequence[float | None] | None = None


if not TYPE_CHECKING:
    with contextlib.suppress(ModuleNotFoundError):
        from djl_trtllm._token_chunk import TokenChunk  # the same, where the hot path was compiled


@dataclass(slots=True)
class Usage:
    """Token counts of one finished request."""

    prompt_tokens: int
    generated_tokens: int


@dataclass(frozen=True, slots=True)
class Limit:
    """One number and the option or file that set it, so that an error can name what to change."""

    value: int
    source: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What an opened engine can take. All in tokens, except `max_batch_size` in sequences."""

    max_input_len: Limit
    max_output_len: Limit
    max_sequence_len: Limit
    max_batch_size: Limit
    kv_cache_tokens: Limit
    vocab_size: Limit


@dataclass(frozen=True, slots=True)
class Features:
    """What an engine can do; a schema answers 400 for what it cannot, without asking which engine it is.

    `beam_width` is the only width it takes, for every request; 1 is no beam search. A sequence with beams gives
    its best one in one chunk at the end. `top_logprobs` is the most alternatives it gives of a token. `guides` are the
    languages it enforces.
    """

    logprobs: bool = True
    min_p: bool = True
    beam_width: int = 1
    bad_words: bool = False
    logit_bias: bool = False
    top_logprobs: int = 0
    prompt_logprobs: bool = False
    guides: frozenset[GuideKind] = frozenset()


@dataclass(frozen=True, slots=True)
class EngineStats:
    """A snapshot of an engine's load.

    `kv_blocks` is the size of its KV cache. `prefix_queries` counts the prompt tokens that it has looked for in the
    cache of earlier prompts since it was opened, `prefix_hits` those that were there. All three are None where the
    engine does not tell. What follows is told by a supervisor: whether there is an engine, and how often one was
    opened in another's place, and made no progress.
    """

    running: int = 0
    waiting: int = 0
    kv_used_percent: float = 0.0
    kv_blocks: int | None = None
    prefix_queries: int | None = None
    prefix_hits: int | None = None
    up: bool = True
    reopenings: int = 0
    stalls: int = 0


class Inbox(Protocol):
    """Where an engine's news go. Both calls are thread-safe and never block."""

    def put(self, chunks: Sequence[TokenChunk]) -> None:
        """Deliver what one engine step produced, for any number of sequences."""
        ...

    def dead(self, error: DjlTrtllmError) -> None:
        """Say that the engine is gone for good; requests in flight have had their endings already."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A Hugging Face checkpoint on local disk. `config` is its parsed config.json."""

    path: Path
    model_type: str
    config: Mapping[str, object]
    origin: str


@dataclass(frozen=True, slots=True)
class CompiledModel:
    """An engine directory ready to open, ours or brought by the user. `origin` is what to call it in a log.

    `runtime` names the runtime whose format a directory of the user's has. `options` are option values that
    the directory itself brings (the parameters of a config.pbtxt); they are the weakest source. `text` is the
    directory of its tokenizer where that is not `path`.
    """

    path: Path
    origin: str
    hit: bool = False
    why: str = ""
    runtime: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    text: Path | None = None

    @property
    def text_path(self) -> Path:
        """The directory of tokenizer.json and of what else is known of the model's text."""
        return self.text or self.path


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what a build produces. Equal plans give interchangeable artifacts.

    `inputs` maps a checkpoint's file names to content digests; `options` holds build-relevant options only.
    """

    runtime: str
    model_type: str
    inputs: Mapping[str, str]
    options: Mapping[str, object]
    versions: Mapping[str, str]
    device: str
    world_size: int = 1
    extra: Mapping[str, object] = field(default_factory=dict)


class Progress(Protocol):
    """Where long work reports. `percent` is None where nothing is known."""

    def stage(self, name: str, percent: float | None = None) -> None:
        """Enter a stage, or report how far it is."""
        ...


class Team(Protocol):
    """The ranks of one model. One process is a team of one and never touches MPI.

    Every rank makes the same calls in the same order, from one thread at a time. What fails on one rank is told to
    all: their `share`, `agree` and `check` raise `RankError` naming that rank and its reason. The same three wait at
    most until the deadline of the phase that `within` began, and then name the ranks that are missing.
    """

    rank: int
    size: int

    def within(self, seconds: float) -> None:
        """Begin a phase that may take so long."""
        ...

    def share(self, value: object, *, patient: bool = False) -> object:
        """Return rank 0's value on every rank. A patient rank waits for it without a deadline."""
        ...

    def agree(self, error: DjlTrtllmError | None = None) -> None:
        """Wait for every rank. A rank that brings an error tells the others and raises it at once."""
        ...

    def check(self) -> None:
        """Raise where another rank has failed or the phase is over. For long work: a few times a second."""
        ...
