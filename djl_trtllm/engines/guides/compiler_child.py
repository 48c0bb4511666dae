"""The process that compiles guides with xgrammar: `python -m djl_trtllm.engines.guides.compiler_child`.

Reads a line of JSON with the vocabulary and says that it is ready; then a guide a line, each answered by one word.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

READY, SOUND, WRONG = b"ready\n", b"sound\n", b"wrong\n"

_ROOM = 4 << 30
"""Bytes that compiling may take."""

_DEATH_SIGNAL = 1


def main() -> None:
    """Compile until the parent is gone."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    # What the libraries print must not come between.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    questions = sys.stdin.buffer
    compilers = _compilers(json.loads(questions.readline()))
    _limit_memory()
    answers.write(READY)
    _answer(questions, answers, compilers)


def _answer(
    questions: IO[bytes], answers: IO[bytes], compilers: Mapping[str, Callable[[str], object]]
) -> None:
    for line in questions:
        guide = json.loads(line)
        try:
            compilers[guide["kind"]](guide["text"])
        except Exception:
            answers.write(WRONG)
        else:
            answers.write(SOUND)


def _compilers(setup: Mapping[str, Any]) -> Mapping[str, Callable[[str], object]]:
    """Return what compiles each kind: for the tokens, or where that cannot be, the grammar alone."""
    xgrammar: Any = import_module("xgrammar")
    grammar = xgrammar.Grammar
    with suppress(Exception):
        compiler = _for_tokens(xgrammar, setup)
        return {
            "JSON": compiler.compile_json_schema,
            "REGEX": lambda text: compiler.compile_grammar(grammar.from_regex(text)),
            "GRAMMAR": lambda text: compiler.compile_grammar(grammar.from_ebnf(text)),
        }
    return {"JSON": grammar.from_json_schema, "REGEX": grammar.from_regex, "GRAMMAR": grammar.from_ebnf}


def _for_tokens(xgrammar: Any, setup: Mapping[str, Any]) -> Any:
    """Make a compiler as TensorRT-LLM's is made. How tokens become text, the library reads out of tokenizer.json."""
    told = xgrammar.TokenizerInfo._detect_metadata_from_hf(setup["tokenizer"])
    metadata = json.loads(told) if isinstance(told, str) else told  # JSON in older releases
    tokens = xgrammar.TokenizerInfo(
        setup["tokens"],
        xgrammar.VocabType(metadata["vocab_type"]),
        stop_token_ids=setup["stops"],
        add_prefix_space=metadata["add_prefix_space"],
    )
    return xgrammar.GrammarCompiler(tokens, max_threads=1, cache_enabled=False)


def _limit_memory() -> None:
    with suppress(OSError, ValueError):
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM, used + _ROOM))


if __name__ == "__main__":
    main()
