"""One file of a model's directory at a time, among good ones. The first byte says which.

Everything that a start reads of it either takes it or refuses it as a model that cannot be served.
"""

from __future__ import annotations

from collections.abc import Callable

FILES = (
    "config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "text.json",
    "model.safetensors.index.json", "model.safetensors", "chat_template.jinja", "manifest.json",
    "djl_trtllm.json", "engine/config.json", "tokenizer.json",
)  # fmt: skip
WORDS = (
    b'"model_type"', b'"llama"', b'"auto_map"', b'"eos_token_id"', b'"eos_token_ids"', b'"eos_token"',
    b'"content"', b'"vocab_size"', b'"max_position_embeddings"', b'"num_hidden_layers"', b'"hidden_size"',
    b'"num_attention_heads"', b'"weight_map"', b'"__metadata__"', b'"data_offsets"', b'"shape"', b'"dtype"',
    b'"F32"', b'"chat_template"', b'"added_tokens_decoder"', b'"longest_token_bytes"', b'"files"', b'"size"',
    b'"digest"', b'"plan"', b'"key"', b'"format"', b'"source"', b'"model_id"', b'"home"', b'"build_config"',
    b'"pretrained_config"', b'"plugin_config"', b'"builder_config"', b'"version"', b"../", b"/etc/passwd",
    b"null", b"true", b"1e400", b"NaN", b"-1", b"[[", b"{}", b"9" * 40, b"[" * 64,
)  # fmt: skip


def prepared() -> Callable[[bytes], None]:
    """Return what writes an input into a directory and reads that as a start does."""
    import atexit
    import logging
    import tempfile
    from contextlib import suppress
    from pathlib import Path

    from tests.support import djl_python

    djl_python.importable()
    import tokenizers

    from djl_trtllm.compile import manifest
    from djl_trtllm.core import CompiledModel
    from djl_trtllm.engines.end_ids import end_ids
    from djl_trtllm.engines.guides import vocabulary as guide_vocabulary
    from djl_trtllm.engines.openvino.model import read_facts
    from djl_trtllm.engines.trtllm import engine_files
    from djl_trtllm.errors import DjlTrtllmError
    from djl_trtllm.model import checkpoint, engine_layouts, partitioned, sizes
    from djl_trtllm.model.families import FAMILIES
    from djl_trtllm.options import sources
    from djl_trtllm.text import special_ids, template
    from djl_trtllm.text.tokenizer import Tokenizer
    from tests.support import raw_checkpoints
    from tests.support.loop import tokenizer_files

    logging.disable(logging.CRITICAL)
    scratch = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    atexit.register(scratch.cleanup)
    home = Path(scratch.name, "model")
    (home / "engine").mkdir(parents=True)
    raw_checkpoints.write(home, raw_checkpoints.LLAMA, raw_checkpoints.llama_shapes())
    for file in tokenizer_files():
        (home / file.name).write_bytes(file.read_bytes())
    (home / "openvino_model.xml").write_text('<net variable_shape="?,8,?,64"/>')
    (home / "openvino_model.bin").write_bytes(b"")
    (home / "engine" / "rank0.engine").write_bytes(b"x")
    good = {file.name: file.read_bytes() for file in home.iterdir() if file.is_file()}
    options = sources.read({}, {})
    model = CompiledModel(path=home, origin="the model", why="", runtime="openvino")

    backend = tokenizers.Tokenizer.from_file(str(home / "tokenizer.json"))

    def tokens() -> None:
        facts = special_ids.read(home, backend)
        if facts.chat_template is not None:
            template.ChatTemplate(facts.chat_template, facts.special_tokens)

    def tokenizer() -> None:
        Tokenizer.load(home).min_tokens(10**6)
        with suppress(ValueError):  # so its caller is told
            guide_vocabulary.read(home, (0,), 400)

    def weights() -> None:
        found = checkpoint.read(home, "the model")
        checkpoint.check_code(found, FAMILIES, trusted=False)
        checkpoint.check_weights(found, allow_pickle=False)
        sizes.of(found)

    def sealed() -> None:
        """Manifests are sealed with a digest of themselves, which anybody can make."""
        text = (home / "manifest.json").read_bytes()
        (home / "manifest.json").write_bytes(text + manifest._MARK + manifest._seal(text) + manifest._END)
        manifest.check(home)
        manifest.verify(home)

    readers: dict[str, Callable[[], object]] = {
        "manifest.json": sealed,
        "djl_trtllm.json": lambda: partitioned.source(home, options),
        "engine/config.json": lambda: engine_files.read(home / "engine"),
        "config.json": lambda: _each(
            weights, lambda: read_facts(home), lambda: engine_layouts.find(home, "it")
        ),
        "model.safetensors": weights,
        "model.safetensors.index.json": weights,
        "text.json": lambda: read_facts(home),
        "generation_config.json": lambda: read_facts(home),
        "tokenizer.json": tokenizer,
    }

    def _each(*calls: Callable[[], object]) -> None:
        for call in calls:
            _refused(call)

    def _refused(call: Callable[[], object]) -> None:
        try:
            call()
        except DjlTrtllmError as error:
            assert error.problems
            assert all(isinstance(problem, str) and problem for problem in error.problems)

    def check(data: bytes) -> None:
        if not data:
            return
        name = FILES[data[0] % len(FILES)]
        file = home / name
        file.write_bytes(data[1:])
        try:
            if name in readers:
                _refused(readers[name])
            if "engine" not in name and "safetensors" not in name and name != "manifest.json":
                _refused(tokens)
                end_ids(model)
        finally:
            if name in good:
                file.write_bytes(good[name])
            else:
                file.unlink()

    return check
