"""One client's replies."""

from djl_trtllm.core import FinishReason, Request, SamplingParams, TokenChunk
from djl_trtllm.errors import GenerationFailed
from djl_trtllm.formats.registry import Writers
from djl_trtllm.rolling_batch.slot import Reply, Slot
from djl_trtllm.rolling_batch.text_stream import PlainStream
from tests.support.loop import tokenizer

MOST = 10**6


def slot(**changes) -> Slot:
    request = Request(
        "the fox", SamplingParams(8, logprobs=True), "jsonlines", stream=True, prompt_ids=[5, 6], **changes
    )
    made = Slot(1)
    made.begin(
        request, PlainStream(tokenizer().detokenizer([5, 6], True)), Writers(frozenset()).make(request)
    )
    return made


def test_the_first_reply_carries_the_content_type_and_the_last_says_so():
    s = slot()
    assert s.take(MOST) is None
    s.feed(TokenChunk(1, [40], [-0.5]))
    first = s.take(MOST)
    assert (first.content_type, first.last) == ("application/jsonlines", False)
    assert s.take(MOST) is None
    s.feed(TokenChunk(1, [41, 42], [-0.5, -0.5]))
    assert isinstance(s.take(MOST), str)
    s.feed(TokenChunk(1, [43], [-0.5], FinishReason.LENGTH))
    last = s.take(MOST)
    assert last.last
    assert s.summary().generated_tokens == 4


def test_what_is_too_long_for_an_item_waits_for_the_next_step():
    s = slot()
    s.feed(TokenChunk(1, [40, 41, 42], [-0.5] * 3, FinishReason.LENGTH))
    replies = []
    while not (replies and isinstance(replies[-1], Reply) and replies[-1].last):
        replies.append(s.take(30))
    texts = [reply if isinstance(reply, str) else reply.data for reply in replies]
    assert all(0 < len(text) <= 30 for text in texts)
    assert "".join(texts).count("\n") == 3


def test_an_error_before_any_text_replaces_it():
    s = slot()
    error = GenerationFailed("No.")
    s.feed(TokenChunk(1, error=error))
    assert s.take(MOST).error is error


def test_an_error_after_text_is_text():
    s = slot()
    s.feed(TokenChunk(1, [40], [-0.5]))
    s.take(MOST)
    s.feed(TokenChunk(1, error=GenerationFailed("No.")))
    last = s.take(MOST)
    assert last.error is None
    assert '"error":"No."' in last.data


def test_a_request_that_never_began_can_fail():
    s = Slot(3)
    s.fail(GenerationFailed("No."))
    assert s.ended
    assert s.take(MOST).last
    assert s.summary().prompt_tokens == 0
