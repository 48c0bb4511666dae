"""Token ids to text pieces: every token reported once, the texts joined are the reply."""

from hypothesis import given, settings
from hypothesis import strategies as st

from djl_trtllm.formats.base import NO_TOKEN
from djl_trtllm.rolling_batch.text_stream import PlainStream, StoppingStream
from tests.support.loop import tokenizer

IDS = st.lists(st.integers(1, tokenizer().vocab_size - 1), max_size=40)


def run(stream, ids, sizes):
    pieces, at = [], 0
    for size in sizes:
        if at + size >= len(ids) or stream.stopped:
            break
        pieces.append(stream.push(ids[at : at + size], [-0.5] * size))
        at += size
    if not stream.stopped:
        pieces.append(stream.finish(ids[at:], [-0.5] * len(ids[at:])))
    pieces = [piece for piece in pieces if piece is not None]
    assert all(len(piece.tokens) == len(piece.texts) for piece in pieces)
    tokens = [token for piece in pieces for token in piece.tokens]
    return tokens, "".join(text for piece in pieces for text in piece.texts)


def detokenizer():
    return tokenizer().detokenizer((), True)


@settings(deadline=None)
@given(IDS, st.lists(st.integers(1, 5), max_size=40))
def test_a_plain_stream_is_the_one_shot_decode(ids, sizes):
    tokens, text = run(PlainStream(detokenizer()), ids, sizes)
    assert text == tokenizer().decode(ids)
    assert [token for token in tokens if token != NO_TOKEN] == ids


@settings(max_examples=300, deadline=None)
@given(
    IDS,
    st.lists(st.integers(1, 5), max_size=40),
    st.lists(st.text("eo th日", min_size=1, max_size=3), min_size=1),
)
def test_a_stopping_stream_ends_before_the_first_stop(ids, sizes, stops):
    whole = tokenizer().decode(ids)
    stream = StoppingStream(detokenizer(), stops)
    tokens, text = run(stream, ids, sizes)
    ends = [(whole.find(stop) + len(stop), whole.find(stop)) for stop in stops if stop in whole]
    assert stream.stopped == bool(ends)
    assert text == (whole[: min(ends)[1]] if ends else whole)
    reported = [token for token in tokens if token != NO_TOKEN]
    assert reported == ids[: len(reported)]
    if not ends:
        assert reported == ids


def test_tokens_inside_a_stop_are_reported_without_text():
    ids = tokenizer().encode("the lazy dog")
    stream = StoppingStream(detokenizer(), ["azy d"])
    piece = stream.finish(ids, None)
    assert "".join(piece.texts) == "the l"
    assert len(piece.tokens) > len([text for text in piece.texts if text])


def test_alternatives_go_with_their_tokens():
    ids = tokenizer().encode("the lazy dog jumps")
    tops = [[(token, -0.1), (token + 1, -2.5)] for token in ids]
    logprobs = [-float(n) for n in range(len(ids))]
    for stops in ([], ["never"], ["azy q"], ["zy d"]):
        stream = StoppingStream(detokenizer(), stops) if stops else PlainStream(detokenizer())
        pieces = [
            stream.push(ids[n : n + 2], logprobs[n : n + 2], tops[n : n + 2])
            for n in range(0, len(ids) - 2, 2)
        ]
        at = 2 * len(pieces)
        pieces = [*pieces, stream.finish(ids[at:], logprobs[at:], tops[at:])]
        pieces = [piece for piece in pieces if piece is not None]
        count = sum(len(piece.tokens) for piece in pieces)
        assert [token for piece in pieces for token in piece.tokens] == ids[:count]
        assert [value for piece in pieces for value in piece.logprobs] == logprobs[:count]
        assert [top for piece in pieces for top in piece.tops] == tops[:count]
        assert stream.matched == ("zy d" if stops == ["zy d"] else None)
        assert stream.recovered == 0


def test_nothing_is_asked_for_nothing_is_given():
    piece = StoppingStream(detokenizer(), ["x"]).push(tokenizer().encode("the"), None)
    assert piece.logprobs is piece.tops is None


def test_nothing_comes_after_a_stop():
    ids = tokenizer().encode("the lazy dog")
    stream = StoppingStream(detokenizer(), ["lazy"])
    assert stream.push(ids, None) is not None
    assert stream.push(ids, None) is None
    assert stream.finish(ids, None) is None
    assert stream.matched == "lazy"


def test_a_kept_stop_string_ends_the_text():
    ids = tokenizer().encode("the lazy dog")
    stream = StoppingStream(detokenizer(), ["azy d"], keep=True)
    piece = stream.finish(ids, None)
    assert "".join(piece.texts) == "the lazy d"
    assert stream.matched == "azy d"
