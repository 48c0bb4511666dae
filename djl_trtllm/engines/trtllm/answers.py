"""What a request may ask of its answer beyond plain tokens, by runtime and release.

Read: the executor's bindings of 0.9 to 1.2; its decoder and, from about 0.17 on, its guided decoder; the PyTorch
backend's worker, samplers and guided decoder around 1.0, 1.2 and 1.3. What was not shown to work on a release is off
there.
"""

from __future__ import annotations

from djl_trtllm.core import Features, GuideKind
from djl_trtllm.engines.trtllm.versions import Release

GUIDES_SINCE = (0, 16)
"""The executor's bindings have no guided decoding before: those of 0.15.0 were read, and have none."""

MOST_TOPS = 20
"""Alternatives a token that are asked for at most; the library would take more (100 in 1.3)."""


def of_executor(release: Release, width: int, *, min_p: bool, guided: bool) -> Features:
    """Return what `bindings.executor.Executor` does. It tells the log-probability of the sampled token only.

    Those of the prompt would need engines that gather logits for all of it, with [tokens, vocabulary] floats a request.
    Its guided decoder follows one sequence, so there is none with beams.
    """
    return Features(
        min_p=min_p,
        beam_width=width,
        bad_words=True,
        logit_bias=True,
        guides=_guides(guided and may_guide(release) and width == 1),
    )


def of_gpt_manager(width: int) -> Features:
    """Return what `bindings.GptManager` does (0.8)."""
    return Features(min_p=False, beam_width=width, bad_words=True, logit_bias=True)


def of_llm_api(release: Release, width: int, *, guided: bool) -> Features:
    """Return what the LLM API does with its PyTorch backend.

    Biases: 1.0's own server went around them; the default sampler adds them since August 2025 (pull request 6464 of
    TensorRT-LLM).
    Bad words: the C++ sampler knows them, which is asked for in 1.0 and 1.2; the default one passed them over until
    July 2026 (pull request 16052), between two candidates of 1.3, and no name tells one from the other. Only single
    tokens can be passed as ids (`bad_token_ids`).
    Alternatives: 1.0 takes `logprobs=1` only, the C++ sampler tells the sampled token whatever is asked, the default
    one as many as are asked for. For the prompt the likeliest tokens are told, which need not be the prompt's own.
    """
    minor = (release.major, release.minor)
    torch_sampler = minor >= (1, 3)
    return Features(
        beam_width=width,
        bad_words=minor in ((1, 0), (1, 2)) or (torch_sampler and "rc" not in release.text),
        logit_bias=minor >= (1, 1),
        top_logprobs=MOST_TOPS if torch_sampler and width == 1 else 0,
        guides=_guides(guided and width == 1),
    )


def may_guide(release: Release) -> bool:
    """Whether the executor of a release can bind answers to guides."""
    return (release.major, release.minor) >= GUIDES_SINCE


def _guides(known: bool) -> frozenset[GuideKind]:
    return frozenset(GuideKind) if known else frozenset()
