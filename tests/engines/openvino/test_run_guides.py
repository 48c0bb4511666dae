"""Answers of a real engine bound to guides, among others that are not."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import regex
from tokenizers import Tokenizer

from djl_trtllm.core import EngineRequest, Features, FinishReason, Guide, GuideKind, SamplingParams
from djl_trtllm.engines.openvino.guides.files import DIRECTORY
from djl_trtllm.engines.openvino.run import OpenVINOEngine
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.errors import Busy, EngineRestarting, InvalidRequest
from tests.support.collector import Collector, eventually
from tests.support.engines import compiled, openvino_engine, tiny_engine_options

pytestmark = pytest.mark.compile

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 6},
            "age": {"type": "integer", "minimum": 7, "maximum": 99},
            "tags": {"type": "array", "items": {"enum": ["a", "b c"]}, "maxItems": 2},
        },
        "required": ["name", "age", "tags"],
        "additionalProperties": False,
    }
)
REGEX = r"[a-c]{2,4} (yes|no): [^x]{1,3}"
JSON_GUIDE, REGEX_GUIDE = Guide(GuideKind.JSON, SCHEMA), Guide(GuideKind.REGEX, REGEX)
GRAMMAR_GUIDE = Guide(GuideKind.GRAMMAR, 'root ::= "<" ("ab" | [0-9]{2}) ">" root?')
BLANKS = r"[ \t\n\r]*"
TAG = f'(?:"a"|"b c"){BLANKS}'
TAGS = rf"(?:{TAG}(?:,{BLANKS}{TAG})?)?\]"
NAME, AGE = r'"[^"\\\0-\x1f]{1,6}"', "(?:[7-9]|[1-9][0-9])"
PARTS = ("{", '"name"', ":", NAME, ",", '"age"', ":", AGE, ",", '"tags"', ":", r"\[", TAGS, "}")
EXPECTED = {
    GuideKind.JSON: BLANKS.join(PARTS),
    GuideKind.REGEX: REGEX,
    GuideKind.GRAMMAR: "(<(ab|[0-9]{2})>)+",
}
GUIDES = {guide.kind: guide for guide in (JSON_GUIDE, REGEX_GUIDE, GRAMMAR_GUIDE)}
BAD = (
    Guide(GuideKind.JSON, '{"type": "secret"}'),
    Guide(GuideKind.JSON, '{"$ref": "#"}'),
    Guide(GuideKind.REGEX, "secret(?=a)"),
    Guide(GuideKind.REGEX, "secret\0"),
    Guide(GuideKind.GRAMMAR, "root ::= secret"),
    Guide(GuideKind.GRAMMAR, 'root ::= "secret" b\nb ::= b "x"'),
    Guide(GuideKind.REGEX, "secret" * 20000),
    Guide(GuideKind.REGEX, "(((a{0,99}){0,99}){0,99}){0,999}"),
    Guide(GuideKind.GRAMMAR, 'root ::= (("secret"{0,1000}){0,1000}){0,1000}'),
)
IDS = count(1)


def fits(kind: GuideKind, text: str, cut: bool = False) -> bool:
    """Whether a text is what the guide of a kind says, or, `cut` by a limit, the beginning of such a text."""
    if cut:
        text = text.rstrip("\N{REPLACEMENT CHARACTER}")
    elif kind is GuideKind.JSON:
        json.loads(text)
    return regex.fullmatch(EXPECTED[kind], text, partial=cut) is not None


class Rig:
    def __init__(self, engine: OpenVINOEngine | Supervisor) -> None:
        self.engine = engine
        self.news = Collector()
        self._tokenizer = Tokenizer.from_file(str(compiled("llama").path / "tokenizer.json"))
        engine.open(self.news)

    def submit(self, guide: Guide | None, prompt: int = 300, **sampling: object) -> EngineRequest:
        values = {"max_new_tokens": 200, **sampling}
        request = EngineRequest(next(IDS), [prompt, 301], SamplingParams(**values), guide)  # type: ignore[arg-type]
        self.engine.submit([request])
        return request

    def kept(self, request: EngineRequest) -> bool:
        """Whether a bound answer is what its guide says: nothing else ends it, but a limit may cut it anywhere.

        Which way a greedy answer goes is the processor's rounding, and blanks between JSON's parts have no end.
        """
        assert request.guide is not None
        self.news.wait_ended([request.id])
        if self.news.finish(request.id) is FinishReason.LENGTH:
            assert request.guide.kind is not GuideKind.REGEX, "those here end by themselves"
            tokens = self.news.tokens(request.id)
            assert len(tokens) == request.sampling.max_new_tokens
            return fits(request.guide.kind, self._decoded(tokens), cut=True)
        return fits(request.guide.kind, self.text(request))

    def text(self, request: EngineRequest) -> str:
        """The text of a bound answer that has come to its end."""
        self.news.wait_ended([request.id])
        assert self.news.finish(request.id) is FinishReason.EOS, self.news.error(request.id)
        *tokens, end = self.news.tokens(request.id)
        assert end == 2
        return self._decoded(tokens)

    def _decoded(self, tokens: list[int]) -> str:
        # Behind other text, or the tokenizer takes the answer's first blank away.
        whole: str = self._tokenizer.decode([301, *tokens])
        return whole.removeprefix(self._tokenizer.decode([301]))


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = Rig(openvino_engine(tmp_path_factory.mktemp("m"), openvino_kv_cache=8192, guide_timeout=1))
    yield made
    made.engine.close()
    made.news.check()
    assert not made.news.deaths


@pytest.mark.parametrize("kind", list(GuideKind))
def test_answers_keep_to_their_guide_however_they_are_sampled(rig: Rig, kind: GuideKind) -> None:
    guide = GUIDES[kind]
    rig.engine.check(guide)
    ways: list[dict[str, object]] = [
        {},
        {"logprobs": True},
        {"do_sample": True, "seed": 1, "logprobs": True},
        {"do_sample": True, "seed": 2, "top_k": 3, "top_p": 0.9, "min_p": 0.01},
        {"do_sample": True, "seed": 3, "temperature": 1.5},
        {"repetition_penalty": 1.3, "frequency_penalty": 0.5},
        {"ignore_eos": True},
        {"min_new_tokens": 150},
    ]
    requests = [rig.submit(guide, 300 + n, do_sample=True, seed=n) for n in range(12)]
    requests += [rig.submit(guide, **way) for way in ways]
    plain = rig.submit(None, max_new_tokens=50, ignore_eos=True)
    for request in requests:
        assert rig.kept(request)
    ended = [request for request in requests if rig.news.finish(request.id) is FinishReason.EOS]
    assert len({rig.text(request) for request in ended}) > 4
    rig.news.wait_ended([plain.id])
    assert rig.news.finish(plain.id) is FinishReason.LENGTH
    for request in requests[13:15]:
        assert len(rig.news.logprobs(request.id)) == len(rig.news.tokens(request.id))


def test_a_limit_may_cut_an_answer(rig: Rig) -> None:
    request = rig.submit(JSON_GUIDE, max_new_tokens=3)
    rig.news.wait_ended([request.id])
    assert rig.news.finish(request.id) is FinishReason.LENGTH
    assert len(rig.news.tokens(request.id)) == 3


def test_bad_ones_are_refused_while_others_run_as_if_alone(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    sampling = {"max_new_tokens": 400, "ignore_eos": True}
    alone = rig.submit(None, **sampling)
    bound_alone = rig.submit(JSON_GUIDE)
    rig.news.wait_ended([alone.id, bound_alone.id])
    running, bound = rig.submit(None, **sampling), rig.submit(JSON_GUIDE)
    with caplog.at_level(logging.INFO):
        for guide in BAD:
            with pytest.raises(InvalidRequest) as refused:
                rig.engine.check(guide)
            assert "secret" not in str(refused.value)
    assert "secret" not in caplog.text
    rig.engine.check(JSON_GUIDE)
    rig.news.wait_ended([running.id, bound.id])
    assert rig.news.outcome(running) == rig.news.outcome(alone)
    assert rig.news.outcome(bound) == rig.news.outcome(bound_alone)


def test_the_time_limit_is_told_and_the_next_one_is_checked(rig: Rig) -> None:
    with pytest.raises(InvalidRequest, match=r"more than 1 s to compile \(option guide_timeout\)"):
        rig.engine.check(Guide(GuideKind.GRAMMAR, 'root ::= (("b"{0,1000}){0,1000}){0,1000}'))
    rig.engine.check(Guide(GuideKind.REGEX, "[d-f]{2}"))


def test_the_length_limit_is_told_with_both_numbers(rig: Rig) -> None:
    with pytest.raises(InvalidRequest) as refused:
        rig.engine.check(Guide(GuideKind.REGEX, "a" * 65537))
    assert "65537" in str(refused.value)
    assert "65536" in str(refused.value)
    assert "guide_max_bytes" in str(refused.value)


def test_cancelled_while_it_waits_and_while_it_runs(rig: Rig) -> None:
    slow = Guide(GuideKind.REGEX, "([a-z]{1,60} ){1,4}[a-z]{900}")
    waiting = rig.submit(slow)
    behind = rig.submit(REGEX_GUIDE)
    rig.engine.cancel([waiting.id])
    assert fits(GuideKind.REGEX, rig.text(behind))
    running = rig.submit(slow)
    rig.news.wait_tokens(running.id, 1)
    rig.engine.cancel([running.id])
    after = rig.submit(JSON_GUIDE)
    assert rig.kept(after)
    assert rig.news.finish(waiting.id) is FinishReason.CANCELLED
    assert rig.news.finish(running.id) is FinishReason.CANCELLED


def test_many_guides_at_once(rig: Rig) -> None:
    requests = {n: rig.submit(Guide(GuideKind.REGEX, f"[a-z]{{2}}{n}"), 300 + n) for n in range(20)}
    plain = rig.submit(None, max_new_tokens=20, ignore_eos=True)
    assert all(re.fullmatch(f"[a-z]{{2}}{n}", rig.text(request)) for n, request in requests.items())
    rig.news.wait_ended([plain.id])


def test_an_unchecked_bad_one_costs_only_its_own_request(rig: Rig) -> None:
    running = rig.submit(None, max_new_tokens=100, ignore_eos=True)
    bad = rig.submit(Guide(GuideKind.REGEX, "(a"))
    rig.news.wait_ended([running.id, bad.id])
    assert rig.news.error(bad.id) is not None
    assert rig.news.finish(running.id) is FinishReason.LENGTH


def test_a_kv_cache_that_is_too_small_and_shared_prefixes(tmp_path: Path) -> None:
    rig = Rig(openvino_engine(tmp_path, openvino_kv_cache=256, enable_kv_cache_reuse="true"))
    guide = Guide(GuideKind.REGEX, "([a-z]{4} ){12}[0-9]{8}")
    try:
        rig.engine.check(guide)
        requests = [
            EngineRequest(
                next(IDS), [*range(300, 364), 301], SamplingParams(120, do_sample=True, seed=n), guide
            )
            for n in range(12)
        ]
        rig.engine.submit(requests)
        texts = [rig.text(request) for request in requests]
    finally:
        rig.engine.close()
    assert all(re.fullmatch(guide.text, text) for text in texts), texts
    assert len(set(texts)) > 6


@pytest.mark.parametrize("family", ["gpt2"])
def test_a_byte_level_tokenizer(tiny_models: None, family: str) -> None:
    engine = OpenVINOEngine(compiled(family), tiny_engine_options(family, openvino_kv_cache=2048))
    news = Collector()
    engine.open(news)
    try:
        engine.check(JSON_GUIDE)
        requests = [
            EngineRequest(n, [300 + n], SamplingParams(200, do_sample=True, seed=n), JSON_GUIDE)
            for n in range(6)
        ]
        engine.submit(requests)
        news.wait_ended(r.id for r in requests)
    finally:
        engine.close()
    tokenizer = Tokenizer.from_file(str(compiled(family).path / "tokenizer.json"))
    for r in requests:
        text, cut = tokenizer.decode(news.tokens(r.id)), news.finish(r.id) is FinishReason.LENGTH
        assert fits(GuideKind.JSON, text, cut), text


def test_off_there_are_none_and_no_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(openvino_engine(tmp_path, guided_decoding="off"))
    try:
        assert rig.engine.features == Features()
        with pytest.raises(InvalidRequest, match="cannot bind an answer"):
            rig.engine.check(JSON_GUIDE)
        request = rig.submit(JSON_GUIDE)
        assert isinstance(rig.news.error(request.id), InvalidRequest)
    finally:
        rig.engine.close()


def test_a_model_without_the_files_has_none_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = openvino_engine(tmp_path, 2)
    model = tmp_path / "eos-2"
    for file in (model / DIRECTORY).rglob("*.xml"):
        file.unlink()
    (model / DIRECTORY / "none.txt").write_text("no luck")
    with caplog.at_level(logging.INFO):
        rig = Rig(engine)
    try:
        assert rig.engine.features.guides == frozenset()
        assert "Guided decoding is off: no luck." in caplog.text
    finally:
        rig.engine.close()


def test_the_checking_process_starts_late_ends_with_the_engine_and_is_replaced(tmp_path: Path) -> None:
    engine = openvino_engine(tmp_path)
    rig = Rig(engine)
    assert engine.guide_pid is None
    engine.check(REGEX_GUIDE)
    first = engine.guide_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    engine.check(JSON_GUIDE)
    second = engine.guide_pid
    assert second not in (None, first)
    rig.engine.close()
    eventually(lambda: not Path(f"/proc/{second}").exists(), "the checking process's end")
    with pytest.raises(Busy):
        engine.check(GRAMMAR_GUIDE)


def test_closing_does_not_wait_for_a_check(tmp_path: Path) -> None:
    engine = openvino_engine(tmp_path, guide_timeout=60)
    Rig(engine)
    engine.check(REGEX_GUIDE)
    raised: list[BaseException] = []

    def check() -> None:
        try:
            engine.check(BAD[-1])
        except Busy as error:
            raised.append(error)

    thread = threading.Thread(target=check)
    thread.start()
    engine.close()
    thread.join(30)
    assert not thread.is_alive()
    assert len(raised) == 1


def test_bound_requests_over_a_broken_and_reopened_engine(tmp_path: Path) -> None:
    made: list[OpenVINOEngine] = []

    def make() -> OpenVINOEngine:
        made.append(openvino_engine(tmp_path))
        return made[-1]

    rig = Rig(Supervisor(make))
    try:
        rig.engine.check(GRAMMAR_GUIDE)
        running = rig.submit(Guide(GuideKind.REGEX, "[a-z]{600}"), max_new_tokens=700)
        rig.news.wait_tokens(running.id, 3)
        assert made[0].pid is not None
        os.kill(made[0].pid, signal.SIGKILL)
        rig.news.wait_ended([running.id])
        assert isinstance(rig.news.error(running.id), EngineRestarting)
        again = rig.submit(JSON_GUIDE)
        assert rig.kept(again)
        rig.engine.check(JSON_GUIDE)
    finally:
        rig.engine.close()
    assert len(made) == 2
