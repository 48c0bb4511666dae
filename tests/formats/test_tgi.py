from __future__ import annotations

import json
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import TextGenerationOutput, TextGenerationStreamOutput
from huggingface_hub.errors import GenerationError, OverloadedError, ValidationError
from huggingface_hub.inference._common import _stream_text_generation_response

from djl_trtllm.core import FinishReason, Prompt, SamplingParams
from djl_trtllm.errors import Busy, DjlTrtllmError, EngineRestarting, InvalidRequest
from djl_trtllm.formats.base import Piece
from tests.formats.helpers import ending, failed, response, whole
from tests.formats.streams import events, streamed, tokens_of

SEEDED = SamplingParams(5, do_sample=True, seed=40)
ALL = SamplingParams(5, logprobs=True, top_logprobs=1, prompt_logprobs=True)
OLD_HUB = huggingface_hub.__version__ < "1"


def read_by_the_hub(data: str) -> list[Any]:
    """What huggingface_hub's client makes of a stream; before 1.0 it read lines of bytes."""
    lines: Any = (data.encode() if OLD_HUB else data).splitlines()
    return list(_stream_text_generation_response(lines, details=True))


def test_golden_bytes() -> None:
    assert whole(response("tgi"), ending()) == '[{"generated_text":"a é"}]'
    output = response("tgi", details=True)
    assert output.keeps_tokens
    assert whole(output, ending(reason=FinishReason.STOP)) == (
        '[{"generated_text":"a é","details":{"finish_reason":"stop_sequence","generated_tokens":3,"seed":null,'
        '"prefill":[],"tokens":[{"id":5,"text":"a","logprob":null,"special":false},'
        '{"id":7,"text":" é","logprob":null,"special":false},{"id":2,"text":"","logprob":null,"special":true}]}}]'
    )


def test_golden_bytes_with_everything() -> None:
    last = ending(
        "a",
        tokens=[5],
        texts=["a"],
        logprobs=[-0.5],
        tops=[[(7, -0.25)]],
        prompt_logprobs=[None, -1.0, -2.0],
    )
    assert whole(response("tgi", details=True, return_full_text=True, sampling=ALL), last) == (
        '[{"generated_text":"Say \\"hi\\"\\na","details":{"finish_reason":"eos_token","generated_tokens":1,'
        '"seed":null,"prefill":[{"id":1,"text":"Say","logprob":null},{"id":3,"text":" \\"hi\\"","logprob":-1.000000},'
        '{"id":4,"text":"\\n","logprob":-2.000000}],"tokens":[{"id":5,"text":"a","logprob":-0.500000,"special":false}],'
        '"top_tokens":[[{"id":7,"text":"é","logprob":-0.250000,"special":false}]]}}]'
    )


def test_the_others_of_best_of_and_their_seeds() -> None:
    output = response("tgi", n=2, sequences=3, sampling=SEEDED)
    endings = [ending(str(i), tokens=[5], texts=["a"], score=i, index=i) for i in range(3)]
    (body,) = json.loads(whole(output, *endings))
    assert (body["generated_text"], body["details"]["seed"]) == ("2", 42)
    (other,) = body["details"]["best_of_sequences"]
    assert (other["generated_text"], other["seed"], other["finish_reason"]) == ("1", 41, "eos_token")


def test_an_object_for_each_prompt() -> None:
    prompts = (Prompt("x", (1,)), Prompt("y", (3,)))
    output = response("tgi", prompts=prompts, listed=True)
    assert (
        whole(output, ending("1"), ending("2", index=1)) == '[{"generated_text":"1"},{"generated_text":"2"}]'
    )


def test_golden_stream() -> None:
    output = response("tgi", stream=True, details=True, sampling=SEEDED)
    assert streamed(output, [tokens_of(5), tokens_of(6), tokens_of(7, 4)]) == (
        'data:{"index":1,"token":{"id":5,"text":"a","logprob":null,"special":false},'
        '"generated_text":null,"details":null}\n\n'
        'data:{"index":2,"token":{"id":6,"text":" b","logprob":null,"special":false},'
        '"generated_text":null,"details":null}\n\n'
        'data:{"index":3,"token":{"id":7,"text":"é","logprob":null,"special":false},'
        '"generated_text":null,"details":null}\n\n'
        'data:{"index":4,"token":{"id":4,"text":"\\n","logprob":null,"special":false},'
        '"generated_text":"a bé\\n","details":{"finish_reason":"eos_token","generated_tokens":4,"seed":40,'
        '"input_length":3}}\n\n'
    )


def test_golden_stream_of_alternatives() -> None:
    writer = response("tgi", stream=True, sampling=ALL).writer(0)
    assert writer.write(Piece([5], ["a"], [-0.5], [[(7, -0.25)]])) == (
        'data:{"index":1,"token":{"id":5,"text":"a","logprob":-0.500000,"special":false},'
        '"top_tokens":[{"id":7,"text":"é","logprob":-0.250000,"special":false}],'
        '"generated_text":null,"details":null}\n\n'
    )
    assert writer.end(None, ending("a")) == (
        'data:{"index":2,"token":{"id":-1,"text":"","logprob":null,"special":true},'
        '"generated_text":"a","details":null}\n\n'
    )


def test_several_sequences_are_told_apart() -> None:
    output = response("tgi", stream=True, n=2)
    assert output.writer(0).line(5, "a", None).startswith('data:{"sequence":0,"index":1,"token":{')
    data = output.writer(1).end(Piece([5], ["a"], None), ending("a", index=1))
    assert data.startswith('data:{"sequence":1,"index":1,"token":{')
    (read,) = read_by_the_hub(data)
    assert read.generated_text == "a"


ERRORS = [
    (EngineRestarting("The engine broke."), "generation", GenerationError),
    (Busy("Later."), "overloaded", OverloadedError),
    (InvalidRequest("No."), "validation", ValidationError),
]


@pytest.mark.parametrize(("error", "kind", "raised"), ERRORS)
def test_golden_bytes_of_errors(error: DjlTrtllmError, kind: str, raised: type[Exception]) -> None:
    body = f'{{"error":"{error}","error_type":"{kind}"}}'
    assert whole(response("tgi"), failed(error)) == body
    output = response("tgi", stream=True)
    data = output.writer(0).end(Piece([5], ["a"], None), failed(error)) + output.close([failed(error)])
    assert data == (
        'data:{"index":1,"token":{"id":5,"text":"a","logprob":null,"special":false},'
        f'"generated_text":null,"details":null}}\n\ndata:{body}\n\n'
    )
    with pytest.raises(raised, match=str(error)):
        read_by_the_hub(data)


def test_huggingface_hub_reads_an_answer() -> None:
    last = ending(logprobs=[-0.5, -1.0, -2.0], prompt_logprobs=[None, -1.0, -2.0])
    data = whole(response("tgi", details=True, n=2, sampling=ALL), last, last)
    read: Any = TextGenerationOutput.parse_obj_as_instance(json.loads(data)[0])
    assert read.generated_text == "a é"
    assert read.details.tokens[1].logprob == -1.0
    assert read.details.prefill[1].text == ' "hi"'
    assert read.details.best_of_sequences[0].tokens[2].special


def test_huggingface_hub_reads_a_stream() -> None:
    data = streamed(response("tgi", stream=True, details=True), [tokens_of(5), tokens_of(6, 2)])
    read = read_by_the_hub(data)
    assert all(isinstance(event, TextGenerationStreamOutput) for event in read)
    assert "".join(event.token.text for event in read) == read[-1].generated_text
    assert events(data)[-1]["details"]["input_length"] == 3
    if not OLD_HUB:  # 0.24 does not read it yet
        assert read[-1].details.input_length == 3
    assert [event.index for event in read] == [1, 2, 3]
    assert all(event["generated_text"] is None for event in events(data)[:-1])
