"""One client's replies."""

from djl_trtllm.core import FinishReason, Prompt, Request, SamplingParams, TokenChunk
from djl_trtllm.errors import GenerationFailed
from djl_trtllm.rolling_batch.live_sequence import LiveSequence
from djl_trtllm.rolling_batch.slot import Reply, Slot
from djl_trtllm.rolling_batch.text_stream import PlainStream
from tests.support.loop import tokenizer
from tests.support.recording_format import RecordingResponse

MOST = 10**6
REQUEST = Request([Prompt("the fox", [5, 6])], SamplingParams(8), "recorded", warnings=("Lowered.",))


def slot(sequences: int = 1) -> Slot:
    made, response = Slot(1), RecordingResponse()
    live = [
        LiveSequence(
            1 + index,
            index,
            made,
            REQUEST.prompts[0],
            PlainStream(tokenizer().detokenizer([5, 6], True)),
            response.writer(index),
        )
        for index in range(sequences)
    ]
    made.begin(REQUEST, response, live)
    return made


def feed(made: Slot, index: int, *tokens: int, **more: object) -> bool:
    return made.sequences[index].feed(TokenChunk(1 + index, list(tokens), **more))


def data(made: Slot) -> str:
    reply = made.take(MOST)
    return reply.data if isinstance(reply, Reply) else reply or ""


def test_the_first_reply_carries_content_type_and_warnings_and_the_last_says_so():
    s = slot()
    assert s.take(MOST) is None
    feed(s, 0, 40)
    first = s.take(MOST)
    assert (first.content_type, first.warnings, first.last) == ("text/recorded", ("Lowered.",), False)
    assert s.take(MOST) is None
    feed(s, 0, 41, 42)
    assert isinstance(s.take(MOST), str)
    feed(s, 0, 43, finish=FinishReason.LENGTH)
    last = s.take(MOST)
    assert last.last
    assert last.data.endswith("<0 length>(length)")
    assert s.summary().generated_tokens == 4
    assert s.summary().prompt_tokens == 2


def test_what_is_too_long_for_an_item_waits_for_the_next_step():
    s = slot()
    feed(s, 0, 40, 41, 42, finish=FinishReason.LENGTH)
    replies = []
    while not (replies and isinstance(replies[-1], Reply) and replies[-1].last):
        replies.append(s.take(7))
    texts = [reply if isinstance(reply, str) else reply.data for reply in replies]
    assert all(0 < len(text) <= 7 for text in texts)
    assert "".join(texts).endswith("(length)")


def test_an_error_before_any_text_replaces_it():
    s = slot()
    error = GenerationFailed("No.")
    assert feed(s, 0, error=error)
    assert s.take(MOST).error is error


def test_an_error_after_text_is_text():
    s = slot()
    feed(s, 0, 40)
    s.take(MOST)
    feed(s, 0, error=GenerationFailed("No."))
    last = s.take(MOST)
    assert last.error is None
    assert last.data == "<0 error>(error)"


def test_a_request_that_never_began_can_fail():
    s = Slot(3)
    s.feed(TokenChunk(3, error=GenerationFailed("No.")))
    assert s.over
    assert s.take(MOST).last
    assert s.summary().prompt_tokens == 0


def test_several_sequences_end_one_by_one_and_the_answer_with_the_last():
    s = slot(3)
    feed(s, 1, 40, finish=FinishReason.EOS)
    feed(s, 0, 40)
    assert not s.over
    feed(s, 2, 40, finish=FinishReason.LENGTH)
    assert not data(s).endswith(")")
    feed(s, 0, 41, finish=FinishReason.STOP)
    assert s.over
    assert data(s).endswith("<0 stop_sequence>(stop_sequence eos_token length)")
    summary = s.summary()
    assert (summary.prompt_tokens, summary.generated_tokens, summary.reason) == (2, 4, "stop_sequence")


def test_one_failing_sequence_fails_the_request():
    s = slot(3)
    error = GenerationFailed("No.")
    feed(s, 1, error=error)
    assert s.over
    assert s.take(MOST).error is error


def test_one_failing_sequence_after_text_ends_the_answer_with_what_has_ended():
    s = slot(3)
    feed(s, 2, 40, finish=FinishReason.EOS)
    s.take(MOST)
    feed(s, 1, error=GenerationFailed("No."))
    assert s.over
    assert data(s) == "<1 error>(error eos_token)"
    assert s.summary().reason == "error"


def test_the_summary_counts_recoveries_of_all_sequences():
    s = slot(2)
    for sequence in s.sequences:
        sequence._stream._detokenizer.recovered = 2
    assert s.summary().recoveries == 4
