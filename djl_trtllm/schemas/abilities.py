"""What a request asks of the engine that not every engine can do: kept, or refused by name."""

from __future__ import annotations

from collections.abc import Mapping

from djl_trtllm.core import Features, Limits


def alternatives(name: str, count: int, features: Features, problems: list[str]) -> int:
    """Return how many alternatives of each token to ask for."""
    most = features.top_logprobs
    if count > most:
        limit = f"it gives at most {most}" if most else "it gives no alternatives of a token"
        problems.append(f"{name}={count} is not supported by this engine: {limit}.")
    return count


def logprobs(name: str, asked: bool, features: Features, problems: list[str]) -> bool:
    """Return whether to ask for the log-probabilities of tokens, for a request that cannot go without."""
    if asked and not features.logprobs:
        problems.append(f"{name} is not supported: this engine gives no log-probabilities.")
    return asked


def prompt_logprobs(name: str, asked: bool, features: Features, problems: list[str]) -> bool:
    """Return whether to ask for the log-probabilities of the prompt."""
    if asked and not features.prompt_logprobs:
        problems.append(f"{name} is not supported: this engine gives no log-probabilities of the prompt.")
    return asked


def bad_words(name: str, asked: bool, features: Features, problems: list[str]) -> None:
    """Check that texts can be kept from coming."""
    if asked and not features.bad_words:
        problems.append(f"{name} is not supported: this engine cannot keep texts from coming.")


def bias(
    asked: Mapping[int, float] | None, limits: Limits, features: Features, problems: list[str]
) -> tuple[tuple[int, float], ...]:
    """Return the biases of tokens."""
    if not asked:
        return ()
    if not features.logit_bias:
        problems.append("logit_bias is not supported: this engine cannot bias tokens.")
    size = limits.vocab_size.value
    if max(asked) >= size:
        problems.append(f"logit_bias has a token id of {size} or more; the model has {size} tokens.")
    return tuple(sorted(asked.items()))


def answers(
    n: int | None,
    best_of: int | None,
    prompts: int,
    streaming: bool,
    limits: Limits,
    features: Features,
    problems: list[str],
) -> tuple[int, int]:
    """Return how many answers to each prompt the client gets, and from how many they are chosen."""
    n = n or 1
    best_of = best_of or n
    if best_of < n:
        problems.append(f"best_of={best_of} is less than n={n}: the {n} best are chosen from best_of.")
    if best_of > n:
        logprobs("best_of", True, features, problems)
        if streaming:
            problems.append(
                f"best_of={best_of} cannot stream: the best is known at the end; send stream=false."
            )
    most = limits.max_batch_size
    if prompts * best_of > most.value:
        problems.append(
            f"The request asks for {prompts * best_of} sequences ({prompts} prompts, {best_of} of each); the limit is "
            f"{most.value} (set by {most.source}): send fewer prompts at once or lower n."
        )
    return n, best_of
