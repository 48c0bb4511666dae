"""A client hears its own words, the log does not."""

from djl_trtllm.schemas.quoting import Quoting, logged


def test_the_log_has_its_own_sentence():
    sentence = Quoting("secret is not a parameter.", "A parameter is not known.")
    assert sentence == "secret is not a parameter."
    assert logged(sentence) == "A parameter is not known."
    assert logged("top_k has no effect.") == "top_k has no effect."
