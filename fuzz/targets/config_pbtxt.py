"""A config.pbtxt: option values, or a sentence that names the file."""

from __future__ import annotations

from collections.abc import Callable

WORDS = (
    b"parameters", b"key", b"value", b"string_value", b"max_batch_size", b"gpt_model_type",
    b"batching_strategy", b"inflight_fused_batching", b"V1", b"tokenizer_dir", b"max_beam_width", b"${hole}",
    b"{", b"}", b"[", b"]", b"<", b">", b":", b";", b'"', b"'", b"\\x4", b"\\777", b"#", b"/", b"..",
)  # fmt: skip


def prepared() -> Callable[[bytes], None]:
    """Return what reads an input as a whole file."""
    import atexit
    import logging
    import tempfile
    from pathlib import Path

    from djl_trtllm.errors import OptionsError, UnsupportedModel
    from djl_trtllm.model import pbtxt, triton_config
    from djl_trtllm.options import sources

    logging.disable(logging.CRITICAL)
    scratch = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    atexit.register(scratch.cleanup)
    file = Path(scratch.name, triton_config.NAME)

    def check(data: bytes) -> None:
        try:
            pbtxt.parse(data.decode("utf-8", "replace"))
        except ValueError as error:
            assert str(error).startswith("line ")
        file.write_bytes(data)
        try:
            values = triton_config.read(file)
        except UnsupportedModel:
            return
        try:
            sources.read({}, {}, lowest=(triton_config.NAME, values))
        except OptionsError as error:
            assert triton_config.NAME in str(error)

    return check
