"""What a request may carry beyond plain tokens: an engine that claims it does it, one that does not refuses it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from djl_trtllm.core import EngineRequest, FinishReason, Guide, GuideKind
from djl_trtllm.errors import InvalidRequest
from tests.contract.engine_kit import Harness, Subject

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 3}, "wet": {"type": "boolean"}},
    "required": ["name", "wet"],
    "additionalProperties": False,
}
GUIDES: dict[GuideKind, str] = {
    GuideKind.JSON: json.dumps(SCHEMA),
    GuideKind.REGEX: r"[a-c]{2} (yes|no)",
    GuideKind.GRAMMAR: 'root ::= "it is so"',
}
SECRET = "xyzzy"
BAD_GUIDES: dict[str, Guide] = {
    "no JSON": Guide(GuideKind.JSON, f'{{"title": "{SECRET}"'),
    "no schema": Guide(GuideKind.JSON, f'["{SECRET}"]'),
    "lookahead": Guide(GuideKind.REGEX, f"(?={SECRET})"),
    "backreference": Guide(GuideKind.REGEX, rf"({SECRET})\1"),
    "no root": Guide(GuideKind.GRAMMAR, f'{SECRET} ::= "a"'),
    "empty": Guide(GuideKind.REGEX, " "),
    "half a character": Guide(GuideKind.REGEX, f"{SECRET}\ud800"),
    "too long": Guide(GuideKind.REGEX, SECRET * 20000),
}


def allowed(kind: GuideKind, text: str) -> bool:
    """Whether a text is what `GUIDES` binds it to."""
    if kind is GuideKind.REGEX:
        return re.fullmatch(GUIDES[kind], text) is not None
    if kind is GuideKind.GRAMMAR:
        return text == "it is so"
    found = json.loads(text)
    return found.keys() == {"name", "wet"} and len(found["name"]) <= 3 and isinstance(found["wet"], bool)


class AnswerSuite:
    """The rules, as part of `EngineSuite`."""

    def refused(self, subject: Subject, request: EngineRequest) -> str:
        subject.run(request)
        error = subject.news.error(request.id)
        assert isinstance(error, InvalidRequest)
        assert subject.news.tokens(request.id) == []
        return str(error)

    def test_a_bad_word_never_comes(self, subject: Subject) -> None:
        prompt = [300, 305, 310]
        ((plain, _),) = subject.run(subject.request(prompt, max_new_tokens=16))
        request = subject.request(prompt, max_new_tokens=16, bad_words=((plain[0],), (plain[3],)))
        if not subject.engine.features.bad_words:
            assert "cannot leave any out" in self.refused(subject, request)
            return
        other = subject.request(prompt, max_new_tokens=16)
        (tokens, finish), (still, _) = subject.run(request, other)
        assert finish is FinishReason.LENGTH
        assert len(tokens) == 16
        assert not {plain[0], plain[3]} & set(tokens)
        assert still == plain, "other requests are left alone"

    def test_a_bad_word_of_several_tokens_never_comes_or_is_refused(self, subject: Subject) -> None:
        if not subject.engine.features.bad_words:
            return
        prompt = [300, 305, 310]
        ((plain, _),) = subject.run(subject.request(prompt, max_new_tokens=16))
        word = (plain[2], plain[3])
        request = subject.request(prompt, max_new_tokens=16, bad_words=(word,))
        ((tokens, finish),) = subject.run(request)
        if finish is None:
            assert "single tokens" in str(subject.news.error(request.id))
            return
        assert tokens[:3] == plain[:3]
        assert word not in pairwise(tokens)

    def test_a_bias_bans_and_forces(self, subject: Subject) -> None:
        prompt = [301, 306]
        ((plain, _),) = subject.run(subject.request(prompt))
        banned = subject.request(prompt, logit_bias=((plain[0], -100.0),))
        if not subject.engine.features.logit_bias:
            assert "logit_bias is set" in self.refused(subject, banned)
            return
        forced = subject.request(prompt, logit_bias=((333, 100.0),))
        drawn = subject.request(prompt, do_sample=True, seed=5, logit_bias=((333, 100.0),))
        last = subject.engine.limits.vocab_size.value - 1
        edge = subject.request(prompt, logit_bias=((0, -100.0), (last, -1e30), (plain[0], 0.0)))
        other = subject.request(prompt)
        outcomes = [tokens for tokens, _ in subject.run(banned, forced, drawn, edge, other)]
        assert plain[0] not in outcomes[0]
        assert outcomes[1] == outcomes[2] == [333] * 8
        assert len(outcomes[3]) == 8
        assert last not in outcomes[3]
        assert outcomes[4] == plain

    def test_alternatives_are_the_likeliest_of_each_token(self, subject: Subject) -> None:
        most = subject.engine.features.top_logprobs
        asked = {"logprobs": True, "top_logprobs": most or 3}
        request = subject.request([302, 307], **asked)
        if not most:
            assert "this engine gives 0" in self.refused(subject, request)
            return
        drawn = subject.request([302, 307], do_sample=True, seed=9, logprobs=True, top_logprobs=2)
        one = subject.request([302, 307], logprobs=True, top_logprobs=1)
        plain = subject.request([302, 307], logprobs=True)
        over = subject.request([302, 307], logprobs=True, top_logprobs=most + 1)
        subject.run(request, drawn, one, plain, over)
        news = subject.news
        assert isinstance(news.error(over.id), InvalidRequest)
        assert news.tops(plain.id) == []
        for asking, number in ((request, most), (drawn, 2), (one, 1)):
            tops = news.tops(asking.id)
            assert len(tops) == len(news.tokens(asking.id)) == 8
            for likeliest in tops:
                assert len(likeliest) == number
                assert len({token for token, _ in likeliest}) == number
                assert all(math.isfinite(value) and value <= 0 for _, value in likeliest)
                assert all(before[1] >= after[1] for before, after in pairwise(likeliest))
        told = zip(news.tokens(request.id), news.logprobs(request.id), news.tops(request.id), strict=True)
        for token, value, likeliest in told:
            assert likeliest[0][0] == token, "greedy"
            assert likeliest[0][1] == pytest.approx(value, abs=1e-4)

    def test_logprobs_of_the_prompt(self, subject: Subject) -> None:
        prompt = [300 + i for i in range(40)]
        request = subject.request(prompt, prompt_logprobs=True)
        if not subject.engine.features.prompt_logprobs:
            assert "Log-probabilities of the prompt" in self.refused(subject, request)
            return
        again, single, plain = (
            subject.request(prompt, prompt_logprobs=True),
            subject.request([300], prompt_logprobs=True),
            subject.request(prompt),
        )
        subject.run(request, single, plain)
        subject.run(again)
        told = subject.news.prompt_logprobs(request.id)
        assert told is not None
        assert len(told) == len(prompt)
        assert told[0] is None
        assert all(value is not None and math.isfinite(value) and value < 0 for value in told[1:])
        repeated = subject.news.prompt_logprobs(again.id)
        assert repeated is not None
        assert repeated[1:] == pytest.approx(told[1:], abs=1e-3), "whatever the KV cache remembers"
        assert subject.news.prompt_logprobs(single.id) == [None]
        assert subject.news.prompt_logprobs(plain.id) is None
        assert subject.news.tokens(request.id) == subject.news.tokens(plain.id)

    @pytest.mark.parametrize("kind", list(GuideKind))
    def test_a_guide_binds_the_answer(self, harness: Harness, subject: Subject, kind: GuideKind) -> None:
        guide = Guide(kind, GUIDES[kind])
        values: list[dict[str, object]] = [
            {},
            {"do_sample": True, "seed": 4},
            {"ignore_eos": True, "min_new_tokens": 30},
            {"max_new_tokens": 2},
        ]
        asked = [
            replace(
                subject.request([303, 308], **{"max_new_tokens": 100, "ignore_eos": False, **v}), guide=guide
            )
            for v in values
        ]
        if kind not in subject.engine.features.guides:
            with pytest.raises(InvalidRequest, match="cannot bind an answer"):
                subject.engine.check(guide)
            assert "cannot bind an answer" in self.refused(subject, asked[0])
            return
        subject.engine.check(guide)
        plain = subject.request([304, 309], max_new_tokens=64)
        subject.run(*asked, plain)
        assert subject.news.finish(plain.id) is FinishReason.LENGTH
        assert len(subject.news.tokens(asked[3].id)) == 2
        if harness.decode is not None:
            for request in asked[:3]:
                tokens, finish = subject.news.outcome(request)
                assert finish is FinishReason.EOS
                assert allowed(kind, harness.decode(tokens[:-1]))

    @pytest.mark.parametrize("name", list(BAD_GUIDES))
    def test_a_bad_guide_is_refused_before_it_is_sent(self, subject: Subject, name: str) -> None:
        with pytest.raises(InvalidRequest) as refused:
            subject.engine.check(BAD_GUIDES[name])
        assert SECRET not in str(refused.value)
