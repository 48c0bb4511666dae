"""A formatter sees what DJL would show it, token by token, and what it does wrong stays with its request."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from djl_trtllm.core import FinishReason, Prompt, SamplingParams
from djl_trtllm.errors import EngineRestarting, InternalError
from djl_trtllm.formats.base import Piece, Response
from djl_trtllm.formats.custom import CustomFormatter
from djl_trtllm.formats.legacy_formatter import adapted
from djl_trtllm.formats.registry import Writers
from tests.formats.helpers import SPECIAL, ending, failed, request, response, token_bytes, token_text, whole
from tests.formats.streams import ending_of, lines, streamed, tokens_of
from tests.support import djl_python


def custom(function: Callable[[Any], object], **changes: Any) -> Response:
    formatter = CustomFormatter(function, "text/x", "model.py:f")
    return Writers(SPECIAL, token_text, token_bytes, formatter).make(request("model.py:f", **changes))


def each_token(output: Any) -> str:
    token, index, first, last = output.sequences[output.best_sequence_index].get_next_token()
    return f"{index}:{token.text}:{first:d}{last:d}{output.finished:d}|"


def test_a_call_for_every_token() -> None:
    output = custom(each_token)
    assert output.content_type == "text/x"
    assert streamed(output, [tokens_of(5), tokens_of(6), tokens_of(7, 4)]) == (
        "0:a:100|1: b:000|2:é:000|3:\n:011|"
    )


def test_a_formatter_for_whole_answers() -> None:
    seen: list[Any] = []

    def formatter(output: Any) -> str:
        seen.append(output)
        if not output.finished:
            return ""
        sequence = output.sequences[output.best_sequence_index]
        return output.input.input_text + "".join(token.text for token in sequence.tokens)

    sampling = SamplingParams(5, top_logprobs=1, prompt_logprobs=True, seed=3)
    output = custom(formatter, sampling=sampling, details=True, stops=("x",), stream=True)
    last = ending(
        reason=FinishReason.STOP,
        logprobs=[-0.5, -1.0, -2.0],
        tops=[[(5, -0.5)], [(6, -0.75)], [(2, -2.0)]],
        prompt_logprobs=[None, -3.0, -4.0],
        stop="x",
    )
    assert whole(output, last) == 'Say "hi"\na é'
    shown = seen[-1]
    sequence = shown.sequences[0]
    assert sequence.finish_reason == "stop_sequence"
    assert sequence.stop_reason == "x"
    assert sequence.cumulative_log_prob == -3.5
    assert sequence.get_last_token() is sequence.tokens[-1]
    assert sequence.has_next_token()
    assert [token.id for token in sequence.get_next_top_tokens()] == [5]
    assert shown.get_tokens_as_dict()[2] == {"id": 2, "text": "", "log_prob": -2.0, "special_token": True}
    assert shown.get_top_tokens_as_dict()[1] == [{"id": 6, "text": " b", "log_prob": -0.75}]
    assert shown.get_prompt_tokens_as_dict()[1] == {"id": 3, "text": ' "hi"', "log_prob": -3.0}
    assert shown.prompt_tokens_details[0].log_prob is None
    assert shown.input.parameters["details"] is True
    assert shown.input.parameters["stop_sequences"] == ["x"]
    assert shown.request_id == shown.input.request_id == sequence.tokens[0].request_id
    assert sequence.tokens[0].as_tgi_dict() == {"id": 5, "text": "a", "logprob": -0.5}


def test_several_sequences_finish_together() -> None:
    def formatter(output: Any) -> str:
        if not output.finished:
            return ""
        best = [output.best_sequence_index, *output.other_sequences_indices]
        return "".join("".join(t.text for t in output.sequences[index].tokens) for index in best)

    output = custom(formatter, n=2, sequences=3)
    endings = [
        ending(text, tokens=[5], texts=[text], logprobs=[score], index=index)
        for index, (text, score) in enumerate((("x", -3.0), ("y", -1.0), ("z", -2.0)))
    ]
    assert whole(output, *endings) == "yz"


def test_every_prompt_has_an_output() -> None:
    prompts = (Prompt("x", (1,)), Prompt("y", (3,)))
    output = custom(lambda out: out.input.input_text if out.finished else "", prompts=prompts, listed=True)
    assert whole(output, ending(prompt=prompts[0]), ending(prompt=prompts[1], index=1)) == "xy"


def test_an_ending_without_a_token_brings_an_empty_one() -> None:
    output = custom(each_token)
    writer, last = output.writer(0), ending("a")
    assert writer.line(5, "a", None) + writer.end(None, last) + output.close([last]) == "0:a:100|1::011|"


def test_an_error_after_text_is_a_token() -> None:
    def formatter(output: Any) -> str:
        token = output.sequences[0].get_next_token()[0]
        return json.dumps(token.as_dict()) + "\n"

    broken = failed(EngineRestarting("The engine broke."))
    writer = custom(formatter).writer(0)
    data = lines(writer.end(Piece([5], ["a"], None), broken))
    assert data[1] == {
        "id": -1,
        "text": "",
        "log_prob": -1.0,
        "special_token": True,
        "error_msg": "The engine broke.",
    }


def test_silence_at_the_end_is_a_line_end() -> None:
    output = custom(lambda out: "")
    assert streamed(output, [tokens_of(5), tokens_of(6)]) == "\n"


SECRET = "what was generated"


def raising(output: Any) -> str:
    raise KeyError(SECRET)


@pytest.mark.parametrize(
    ("function", "what"),
    [(raising, "raised KeyError"), (lambda out: None, "returned a NoneType instead of a text")],
)
def test_what_goes_wrong_is_this_requests_error(
    function: Callable[[Any], object], what: str, caplog: pytest.LogCaptureFixture
) -> None:
    output = custom(function)
    with caplog.at_level(logging.ERROR), pytest.raises(InternalError) as raised:
        streamed(output, [tokens_of(5), tokens_of(6)])
    assert str(raised.value) == f"The output formatter of this model {what}."
    assert len(caplog.records) == 1
    assert SECRET not in caplog.text


def test_six_arguments() -> None:
    calls: list[Any] = []

    def legacy(token: Any, first: bool, last: bool, details: Any, text: str, request_id: int) -> str:
        calls.append((token.text, first, last, details.get("finish_reason"), text))
        return token.text

    output = custom(adapted(legacy), details=True, return_full_text=True)
    assert streamed(output, [tokens_of(5), tokens_of(6)]) == "a b"
    assert calls == [
        ("a", True, False, None, 'Say "hi"\n'),
        (" b", False, True, "eos_token", 'Say "hi"\na b'),
    ]
    with pytest.raises(InternalError, match="instead of a text"):
        streamed(custom(adapted(lambda *six: 3)), [tokens_of(5)])


@pytest.fixture(scope="module")
def djls() -> Any:
    """DJL's own formatters."""
    djl_python.importable()
    try:
        return importlib.import_module("djl_python.output_formatter")
    except ImportError as error:
        pytest.skip(f"djl_python needs {error.name}")


@pytest.mark.parametrize("details", [False, True])
def test_djls_own_formatters_work(djls: Any, details: bool) -> None:
    pieces = [tokens_of(5), tokens_of(6), tokens_of(7, 2)]
    theirs = streamed(custom(djls._jsonlines_output_formatter, details=details), pieces)
    assert lines(theirs) == lines(streamed(response("jsonlines", details=details), pieces))
    theirs = streamed(custom(djls.output_formatter(djls._json_output_formatter), details=details), pieces)
    last = ending_of([token for piece in pieces for token in piece])
    ours = json.loads(whole(response("json", details=details), last))
    shown = json.loads(theirs)
    if details:
        assert shown["details"].pop("best_of_sequences", None) is None
    assert shown == ours
