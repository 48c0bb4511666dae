import pytest

from djl_trtllm.engines.trtllm import bias

torch = pytest.importorskip("torch")


def test_each_id_has_its_bias_in_the_type_of_the_logits() -> None:
    for dtype in ("float32", "float16"):
        made = bias.tensor(((2, 1.5), (0, -100.0), (2, 0.5)), 4, dtype)
        assert made.dtype == getattr(torch, dtype)
        assert made.tolist() == [-100.0, 0.0, 2.0, 0.0]


def test_a_bias_is_never_more_than_a_number() -> None:
    assert bias.tensor(((0, 1e300), (1, -1e300)), 2, "float16").tolist() == [10000.0, -10000.0]
