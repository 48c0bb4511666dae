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


@given(IDS, st.lists(st.integers(1, 5), max_size=40))
def test_a_plain_stream_is_the_one_shot_decode(ids, sizes):
    tokens, text = run(PlainStream(detokenizer()), ids, sizes)
    assert text == tokenizer().decode(ids)
    assert [token for token in tokens if token != NO_TOKEN] == ids


@settings(max_examples=300)
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
