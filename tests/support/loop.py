"""A rolling batch over the toy engine with a real tokenizer, driven as DJL drives it."""

from __future__ import annotations

import atexit
import functools
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.formats.custom import CustomFormatter
from djl_trtllm.options import sources
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.wire import Wire
from djl_trtllm.service.assembly import assemble
from djl_trtllm.text.tokenizer import Tokenizer
from tests.support.java_side import JavaSide
from tests.support.toy_engine import ToyEngine, toy_limits

TEXT = "the quick brown fox jumps over the lazy dog. größer, 日本語, 😀 naïve café. " * 20

CHAT_TEMPLATE = (
    "{% if tools %}tools: {{ tools | tojson }}\n{% endif %}"
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def tokenizer_files() -> list[Path]:
    """The files a compiled model needs of its tokenizer."""
    return sorted(_tokenizer_directory().iterdir())


@functools.cache
def tokenizer() -> Tokenizer:
    """A byte-level BPE tokenizer of 400 ids or so, trained on a few words."""
    return Tokenizer.load(_tokenizer_directory())


@functools.cache
def _tokenizer_directory() -> Path:
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<eos>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    backend.train_from_iterator([TEXT], trainer)
    directory = Path(_scratch().name)
    backend.save(str(directory / "tokenizer.json"))
    facts = {"eos_token_ids": [0], "vocab_size": backend.get_vocab_size(), "chat_template": CHAT_TEMPLATE}
    (directory / "text.json").write_text(json.dumps(facts))
    return directory


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    directory = tempfile.TemporaryDirectory(prefix="djl-trtllm-tokenizer-")
    atexit.register(directory.cleanup)
    return directory


class Rig:
    """Everything between DJL's step and the toy engine. `java` sends requests, `engine` can be broken."""

    def __init__(
        self,
        engine: ToyEngine,
        *,
        item_chars: int | None = None,
        formatter: CustomFormatter | None = None,
        **options: str,
    ) -> None:
        self.engine = engine
        self.inbox = QueueInbox()
        engine.open(self.inbox)
        self.options = sources.read(options, {})
        self.wire = Wire(lmi_codes=self.options.error_codes == "lmi")
        chars = item_chars or self.wire.item_chars
        watched = engine if isinstance(engine, Supervisor) else None
        self.loop = assemble(self.options, engine, self.inbox, tokenizer(), chars, formatter, watched=watched)
        self.java = JavaSide(self.call)

    def call(self, inputs):
        return self.wire.write(self.loop.step(self.wire.read(inputs, self.loop.active)))


@contextmanager
def rig(
    engine: ToyEngine | None = None,
    *,
    item_chars: int | None = None,
    formatter: CustomFormatter | None = None,
    **options: str,
) -> Iterator[Rig]:
    engine = engine or ToyEngine(limits=toy_limits(vocab_size=tokenizer().vocab_size))
    made = Rig(engine, item_chars=item_chars, formatter=formatter, **options)
    try:
        yield made
    finally:
        made.loop.close()
        engine.close()
