"""Write what guided decoding needs into a compiled model, see `files`. Runs where the model is compiled.

OpenVINO GenAI reads a tokenizer's vocabulary from its detokenizer model and matches a guide's grammar against it byte
by byte. The vocabulary that `openvino_tokenizers.convert_tokenizer` writes has pieces as they are spelled, with U+2581
for a blank and `<0x0A>` for a line feed (2026.4.1, observed): a JSON answer of a Llama 2 model stops at its first
brace. So the vocabulary is written here, from the same table of bytes that decoding uses. Special tokens are empty in
it, which keeps them out of every guided answer.

The probe is a pipeline for checking guides. Where a guide allows no token at all, the pipeline picks id 0 (greedy,
observed), which could be a token of the model; so the probe's ids are moved up by one, and its id 0 is no token.
Its logits do not depend on the input. They prefer what ends an answer, so that a walk comes to the end of a guide on a
short way and finds what cannot be completed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from djl_trtllm.engines.openvino.guides import model as guide_model
from djl_trtllm.engines.openvino.guides.files import CONFIG, DIRECTORY, MODEL, NONE, PROBE, SHIFT, VOCABULARY
from djl_trtllm.engines.openvino.model import read_facts

_LOGIT = 2.0
_BLANK_LOGIT = 1.0
_LOGIT_OF = {b",": 3.0, b'"': 4.0, b"}": 4.0, b"]": 4.0, b")": 4.0}
_END_LOGIT = 5.0


def write(out: Path, note: Callable[[str], None]) -> None:
    """Write the files for the compiled model in `out`, or, with a note, why there are none. Never raises."""
    directory = out / DIRECTORY
    directory.mkdir()
    try:
        why_not = _write(out, directory)
    except Exception as error:
        why_not = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if why_not:
        (directory / NONE).write_text(why_not, "utf-8")
        note(f"There is no guided decoding with this model: {why_not}.")


def _write(out: Path, directory: Path) -> str:
    """Write the files; what stands in the way, or nothing."""
    import openvino

    facts = read_facts(out)
    ends = sorted(facts.eos_ids)
    if not ends:
        return "it names no end token, which a guided answer has to end with"
    size = _logits(openvino.Core().read_model(out / MODEL))
    if size is None:
        return "it does not say how many logits it has"
    tokens = token_bytes(out / "tokenizer.json", size)
    if tokens is None:
        return "its tokenizer's decoder does not say which bytes a token stands for"
    logits = [0.0] * SHIFT + [_logit(token) for token in tokens]
    for end in ends:
        if end < size:
            logits[end + SHIFT] = _END_LOGIT
    _save(directory, tokens, [0.0] * size, ends[0])
    _save(directory / PROBE, [b""] * SHIFT + tokens, logits, ends[0] + SHIFT)
    return ""


def _save(directory: Path, tokens: Sequence[bytes], logits: Sequence[float], end: int) -> None:
    import openvino

    directory.mkdir(exist_ok=True)
    openvino.save_model(guide_model.vocabulary(tokens), directory / VOCABULARY)
    openvino.save_model(guide_model.model(logits), directory / MODEL)
    # Without one the tokenizer's end token is -1, which the pipeline then refuses.
    (directory / CONFIG).write_text(json.dumps({"eos_token_id": end}), "utf-8")


def token_bytes(tokenizer_json: Path, size: int) -> list[bytes] | None:
    """Return the bytes of the ids below `size`: b"" for what says nothing, None where bytes cannot be told."""
    from tokenizers import Tokenizer

    from djl_trtllm.text.table import spelling
    from djl_trtllm.text.vocabulary import Vocabulary

    vocabulary = Vocabulary(Tokenizer.from_file(str(tokenizer_json)))
    spelled = spelling(vocabulary)
    if spelled is None or not spelled.only_blank:
        return None
    shown = (vocabulary.shown(token_id, skip_special_tokens=True) for token_id in range(size))
    return [b"" if token is None else spelled.to_bytes(token) for token in shown]


def _logits(model: Any) -> int | None:
    """Return how many logits a compiled model has, where its shape says so."""
    shape: Sequence[Any] = list(model.output("logits").get_partial_shape())
    return None if shape[-1].is_dynamic else int(shape[-1].get_length())


def _logit(token: bytes) -> float:
    if not token.strip():
        return _BLANK_LOGIT
    return _LOGIT_OF.get(token, _LOGIT)
