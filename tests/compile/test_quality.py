import pytest

from djl_trtllm.compile.quality import Quality, line


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (
            Quality(0.93254, 12.1234, 11.8, 504),
            "next-token agreement 0.9325 over 504 tokens, perplexity 12.12 against 11.8 unquantised",
        ),
        (
            Quality(0.5, None, 11.8, 96, note="the engine gives no log-probs."),
            "next-token agreement 0.5 over 96 tokens, perplexity not compared: the engine gives no log-probs",
        ),
        (Quality(note="Memory ran out."), "next-token agreement not measured: Memory ran out"),
        (Quality(), "next-token agreement not measured"),
    ],
)
def test_one_line_says_what_is_known(quality: Quality, words: str) -> None:
    assert line(quality.content()) == words


def test_a_mapping_of_another_version_makes_a_line_too() -> None:
    assert line({}) == "next-token agreement not measured"
    assert line({"agreement": 1}) == "next-token agreement 1 over 0 tokens, perplexity not compared"
    assert line({"agreement": "good", "note": 3}) == "next-token agreement not measured: 3"
