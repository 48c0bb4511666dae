"""The tokenizer and the chat template: there, and readable by what serves them."""

from __future__ import annotations

from collections.abc import Iterator

from djl_trtllm.core import CompiledModel
from djl_trtllm.doctor.finding import Finding, note, ok
from djl_trtllm.doctor.places import Here
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.engines import tokenizers
from djl_trtllm.text.template import ChatTemplate
from djl_trtllm.text.tokenizer import Tokenizer

NAME = "tokenizer"


def examine(subject: Subject) -> Iterator[Finding]:
    """Load it as serving does. Raises `LoadError` with what a load would say."""
    named, missing = subject.tokenizer
    if missing:
        yield note(
            NAME,
            f"option.tokenizer={subject.options.tokenizer} is not on this machine; a load fetches it, and it was not"
            " looked at here.",
        )
        return
    model, directory = subject.compiled, subject.local
    if directory is None:
        return
    home = named or (model.text_path if model is not None else directory)
    if not tokenizers.has_tokenizer(home):
        # Says where it looked; there is nothing to convert, so nothing is.
        held = CompiledModel(directory, str(directory), runtime="none", text=home)
        tokenizers.ensure(held, subject.options, subject.environ, Here())
    if not (home / tokenizers.FAST).is_file():
        yield ok(NAME, f"It is converted to {tokenizers.FAST} once, by transformers, and kept in the cache.")
        return
    tokenizer = Tokenizer.load(home)
    template = tokenizer.chat_template
    if template is None:
        yield note(
            NAME,
            f"{tokenizer.vocab_size} tokens, without a chat template, so chats are answered with 400.",
            "Put the model's chat_template.jinja beside the tokenizer if chats are wanted.",
        )
    else:
        ChatTemplate(template, tokenizer.special_tokens)
        yield ok(NAME, f"{tokenizer.vocab_size} tokens, with a chat template.")
    if not tokenizer.eos_ids:
        yield note(
            NAME,
            "No end token is named, so answers run to their longest.",
            "Name eos_token_id in generation_config.json.",
        )
