"""What a request is refused for on these runtimes besides what every engine refuses."""

from __future__ import annotations

from djl_trtllm.core import EngineRequest, Features, Limits
from djl_trtllm.engines import admission
from djl_trtllm.errors import InvalidRequest


def refusal(
    request: EngineRequest,
    limits: Limits,
    features: Features,
    *,
    bounded_output: bool = False,
    single_words: bool = False,
) -> InvalidRequest | None:
    """Return why a request cannot run, all reasons at once. `single_words`: bad words of one token only are known.

    A bad word together with a guide could leave no token at all, and the library's step fails then, with all that runs.
    """
    first = admission.refusal(request, limits, features, bounded_output=bounded_output)
    problems = list(first.problems) if first is not None else []
    words = request.sampling.bad_words
    if words and request.guide is not None:
        problems.append(
            "Texts that must not come are named together with a guide; this engine takes one of them."
        )
    if single_words and features.bad_words and any(len(word) > 1 for word in words):
        problems.append(
            "A text that must not come has more than one token; this engine can only leave out single tokens."
        )
    return InvalidRequest(*problems) if problems else None
