"""A serving.properties, then after a NUL the variables of the environment as lines: Options, or OptionsError."""

from __future__ import annotations

from collections.abc import Callable

WORDS: tuple[bytes, ...] = (
    b"option.", b"OPTION_", b"=", b"max", b"true", b"false", b"auto", b"\\u0000", b"\\\n", b"GiB", b"0.5",
    b"-1", b"1e400", b"nan", b"inf", b"\0", b"s3://", b"../", b"file:///etc/passwd", b"model_id", b"revision",
    b"quantize", b"dtype", b"runtime", b"tensor_parallel_degree", b"rolling_batch", b"output_formatter",
    b"cache_remote", b"cache_max_size", b"openvino_kv_cache", b"stop", b"rotary_scaling_type",
    b"rotary_scaling_factor", b"unknown_options=reject",
)  # fmt: skip


def prepared() -> Callable[[bytes], None]:
    """Return what reads an input as options, explains them, and reads them back."""
    from djl_trtllm.errors import OptionsError
    from djl_trtllm.local import properties
    from djl_trtllm.options import explain, sources
    from djl_trtllm.options.secrets import clean

    def check(data: bytes) -> None:
        file, _, variables = data.decode("utf-8", "replace").partition("\0")
        given = properties.parse(file)
        assert properties.parse(properties.render(given)) == given
        environ = dict(line.partition("=")[::2] for line in variables.split("\n"))
        try:
            options = sources.read(given, environ)
        except OptionsError as error:
            assert error.problems
            assert len(error.wire_text()) <= 300
            return
        for runtime in ("openvino", "trtllm", "trtllm-pytorch"):
            explain.notes(options, runtime)
            options.build_values(runtime)
        for value in given.values():
            clean(value)

    return check
