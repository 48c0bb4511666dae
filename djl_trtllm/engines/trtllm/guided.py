"""Requests with a guide: what their answers are bound to decides where they end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from djl_trtllm.core import CompiledModel, EngineRequest, Guide, GuideKind
from djl_trtllm.engines.guides import vocabulary
from djl_trtllm.engines.guides.vocabulary import Vocabulary
from djl_trtllm.engines.trtllm.sequences import Ends

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

logger = logging.getLogger(__name__)

BACKEND = "XGRAMMAR"

_TYPES: Mapping[GuideKind, str] = {
    GuideKind.JSON: "JSON_SCHEMA",
    GuideKind.REGEX: "REGEX",
    GuideKind.GRAMMAR: "EBNF_GRAMMAR",
}


def effective(request: EngineRequest) -> EngineRequest:
    """Return the request that the library is given.

    After a complete answer its grammar allows nothing but an end token: where that is ignored or held back, the library
    fails with all that runs (read, up to 1.2). So a guided answer ends where its guide ends.
    """
    if request.guide is None or not (request.sampling.ignore_eos or request.sampling.min_new_tokens):
        return request
    return replace(request, sampling=replace(request.sampling, ignore_eos=False, min_new_tokens=0))


def wanted(options: Options) -> bool:
    """Whether answers may be bound to guides."""
    return options.guided_decoding != "off"


def tokens(model: CompiledModel, options: Options, ends: Ends, size: int) -> Vocabulary | None:
    """Return the tokens that guides are enforced with, None where there are to be no guides or cannot be any.

    `size` is the model's number of ids. Says in the log why there cannot be any.
    """
    if not wanted(options):
        return None
    try:
        found = vocabulary.read(model.text_path, ends.ids, size)
    except (OSError, ValueError) as error:
        say_without(f"{vocabulary.FILE} cannot be read ({type(error).__name__})")
        return None
    if not found.stops:
        say_without("no token of the model is known to end a text")
        return None
    return found


def say_without(why: str) -> None:
    """Say in the log why there are no guides although nobody has switched them off."""
    logger.info("Answers cannot be bound to guides: %s.", why)


def config(bindings: ModuleType | Any, known: Vocabulary) -> Any:
    """Make the executor's GuidedDecodingConfig, the same on every rank."""
    owner = bindings.GuidedDecodingConfig
    return owner(
        backend=getattr(_nested(bindings, owner, "GuidedDecodingBackend"), BACKEND),
        encoded_vocab=list(known.tokens),
        tokenizer_str=known.tokenizer,
        stop_token_ids=list(known.stops),
    )


def params(bindings: ModuleType | Any, guide: Guide) -> Any:
    """Make the GuidedDecodingParams of a request."""
    owner = bindings.GuidedDecodingParams
    kind = getattr(_nested(bindings, owner, "GuideType"), _TYPES[guide.kind])
    return owner(guide_type=kind, guide=guide.text)


def _nested(bindings: ModuleType | Any, owner: Any, name: str) -> Any:
    """Return an enum: inside its class in what was read of 0.17 to 1.2, beside it should a release have it there."""
    return getattr(owner, name, None) or getattr(bindings, name)
