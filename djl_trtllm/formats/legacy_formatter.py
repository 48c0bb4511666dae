"""Formatters with the six arguments of DJL-Serving 0.27 and 0.28, called as 0.29 and later still do."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from djl_trtllm.formats.text_output import TextGenerationOutput

_ARGUMENTS = 6


def is_legacy(signature: inspect.Signature) -> bool:
    """Whether a function wants a token, first, last, details, the whole text and an id."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.kind in positional and parameter.default is inspect.Parameter.empty
    ]
    return len(wanted) == _ARGUMENTS


def adapted(function: Callable[..., object]) -> Callable[[TextGenerationOutput], object]:
    """Return a function of today's form that calls `function` for every new token."""

    def formatter(output: TextGenerationOutput) -> object:
        sequence = output.sequences[output.best_sequence_index]
        texts: list[object] = []
        while sequence.has_next_token():
            details = _details(output)
            token, _, first, last = sequence.get_next_token()
            whole = output.input.input_text if output.input.parameters["return_full_text"] else ""
            if last:
                whole += "".join([each.text for each in sequence.tokens])
            texts.append(function(token, first, last, details, whole, output.request_id))
        # One that returns no text is told so by whoever called this.
        return "".join(map(str, texts)) if all(isinstance(text, str) for text in texts) else texts

    return formatter


def _details(output: TextGenerationOutput) -> dict[str, object]:
    sequence = output.sequences[output.best_sequence_index]
    if not output.input.parameters["details"]:
        return {"finish_reason": "error"} if sequence.finish_reason == "error" else {}
    return {
        "finish_reason": sequence.finish_reason,
        "tokens": output.get_tokens_as_dict(output.best_sequence_index),
        "generated_tokens": len(sequence.tokens),
        "inputs": output.input.input_text,
        "parameters": output.input.parameters,
        "prompt_tokens": len(output.input.input_ids),
    }
