"""What one sequence makes of the engine's chunks."""

from __future__ import annotations

from djl_trtllm.core import FinishReason, Prompt, Request, SamplingParams, TokenChunk
from djl_trtllm.formats.base import Ending
from djl_trtllm.rolling_batch.live_sequence import LiveSequence
from djl_trtllm.rolling_batch.slot import Slot
from djl_trtllm.rolling_batch.text_stream import PlainStream, StoppingStream
from tests.support.loop import tokenizer
from tests.support.recording_format import RecordingResponse

PROMPT = Prompt("the fox", [5, 6])


def sequence(*, stops: tuple[str, ...] = (), **more: bool) -> tuple[LiveSequence, RecordingResponse]:
    slot, response = Slot(1), RecordingResponse(keeps_tokens=more.get("keeps_tokens", False))
    detokenizer = tokenizer().detokenizer(PROMPT.ids, True)
    stream = StoppingStream(detokenizer, stops) if stops else PlainStream(detokenizer)
    made = LiveSequence(1, 0, slot, PROMPT, stream, response.writer(0), **more)
    slot.begin(Request([PROMPT], SamplingParams(8), "recorded"), response, [made])
    return made, response


def ids(text: str) -> list[int]:
    return tokenizer().encode(text)


def ending(response: RecordingResponse) -> Ending:
    return response.endings[0]


def test_it_waits_until_its_first_chunk():
    made, _ = sequence()
    assert made.waiting
    made.feed(TokenChunk(1, ids("the")))
    assert not made.waiting


def test_one_token_at_a_time_says_the_same_as_all_at_once():
    tokens = ids("the quick größer 日本語 😀 fox")
    one, _ = sequence()
    for token in tokens[:-1]:
        assert not one.feed(TokenChunk(1, [token], [-0.5]))
    one.feed(TokenChunk(1, tokens[-1:], [-0.5], FinishReason.EOS))
    whole, _ = sequence()
    whole.feed(TokenChunk(1, tokens, [-0.5] * len(tokens), FinishReason.EOS))
    assert one.owner.data == whole.owner.data
    assert one.tokens == whole.tokens == len(tokens)


def test_what_a_response_keeps():
    made, response = sequence(keeps_tokens=True, plain=False)
    tops = [[(7, -0.1), (8, -0.2)]]
    made.feed(TokenChunk(1, ids("the")[:1], [-0.1], tops=tops, prompt_logprobs=[None, -2.0]))
    made.feed(TokenChunk(1, ids("fox")[:1], [-0.3], FinishReason.LENGTH, tops=tops))
    end = ending(response)
    assert end.tokens == [ids("the")[0], ids("fox")[0]]
    assert end.logprobs == [-0.1, -0.3]
    assert end.tops == tops * 2
    assert end.prompt_logprobs == [None, -2.0]
    assert "".join(end.texts) == end.text


def test_nothing_is_kept_that_nobody_shows():
    made, response = sequence()
    made.feed(TokenChunk(1, ids("the fox"), [-0.1] * len(ids("the fox")), FinishReason.LENGTH))
    end = ending(response)
    assert (end.tokens, end.texts, end.logprobs, end.score) == ((), (), None, 0.0)


def test_the_score_is_the_sum_of_all_log_probs():
    made, response = sequence(scored=True)
    made.feed(TokenChunk(1, [40], [-0.5]))
    made.feed(TokenChunk(1, [41], [-0.25]))
    made.feed(TokenChunk(1, [42], [-1.0], FinishReason.LENGTH))
    assert ending(response).score == -1.75


def test_a_stop_string_ends_it_and_is_named():
    made, response = sequence(stops=("fox",))
    assert made.feed(TokenChunk(1, ids("the quick fox jumps")))
    end = ending(response)
    assert (end.reason, end.text, end.stop) == (FinishReason.STOP, "the quick ", "fox")


def test_usage_counts_every_token():
    made, response = sequence()
    made.feed(TokenChunk(1, ids("größer"), finish=FinishReason.EOS))
    usage = ending(response).usage
    assert (usage.prompt_tokens, usage.generated_tokens) == (2, len(ids("größer")))
