"""What the stand-in makes of biases, bad words, alternatives and guides, and what it refuses of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stand_in_executor_kit import Subject
from tests.contract.tensorrt_llm_stand_in import ROWS, expected_tokens, installed, write_engine
from tests.contract.tensorrt_llm_stand_in.behaviours import guided
from tests.contract.tensorrt_llm_stand_in.rows import minor
from tests.contract.test_stand_in_llm import opened as llm_opened
from tests.contract.test_stand_in_llm import params
from tests.support.vocabularies import vocabulary

PROMPT = [300, 301, 302]
TOKENIZER = vocabulary("byte_level")
TOKENS = [TOKENIZER.id_to_token(number) for number in range(TOKENIZER.get_vocab_size())]
GUIDED_ROWS = [row for row in ROWS if (0, 16) <= minor(row) < (1, 3)]


def want(count: int = 8, **sampling: Any) -> list[int]:
    return expected_tokens(PROMPT, count, vocab_size=1000, **sampling)


def config(module: Any, **values: Any) -> Any:
    kind = module.GuidedDecodingConfig
    known = {
        "backend": kind.GuidedDecodingBackend.XGRAMMAR,
        "encoded_vocab": TOKENS,
        "tokenizer_str": TOKENIZER.to_str(),
        "stop_token_ids": [1],
    }
    return kind(**{**known, **values})


def guide(module: Any, kind: str, text: str | None) -> Any:
    made = module.GuidedDecodingParams
    return made(guide_type=getattr(made.GuideType, kind), guide=text)


@contextmanager
def opened(row: str, path: Path, *, guides: dict[str, Any] | None = None, **built: Any) -> Iterator[Subject]:
    with installed(row):
        from tensorrt_llm.bindings import executor as module

        more = {} if guides is None else {"guided_decoding_config": config(module, **guides)}
        made = module.Executor(
            model_path=write_engine(path / "engine", row, vocab_size=1000, **built),
            model_type=module.ModelType.DECODER_ONLY,
            executor_config=module.ExecutorConfig(max_beam_width=1, **more),
        )
        try:
            yield Subject(row, module, made)
        finally:
            made.shutdown()


def test_a_bias_changes_what_comes_always_in_the_same_way(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    def bias(token: int, value: float) -> Any:
        made = torch.zeros(1000)
        made[token] = value
        return made

    with opened("1.2~", tmp_path) as subject:
        first, again, other, banned, forced, wrong, shape, infinite = subject.run(
            subject.request(PROMPT, embedding_bias=bias(7, 1.5)),
            subject.request(PROMPT, embedding_bias=bias(7, 1.5)),
            subject.request(PROMPT, embedding_bias=bias(7, 2.5)),
            subject.request(PROMPT, embedding_bias=bias(want()[0], -100.0)),
            subject.request(PROMPT, embedding_bias=bias(5, 100.0)),
            subject.request(PROMPT, embedding_bias=torch.zeros(1000, dtype=torch.float16)),
            subject.request(PROMPT, embedding_bias=torch.zeros(1, 1000)),
            subject.request(PROMPT, embedding_bias=bias(5, math.inf)),
        )
    assert first.tokens() == again.tokens() != want()
    assert other.tokens() not in (first.tokens(), want())
    assert want()[0] not in banned.tokens()
    assert forced.tokens() == [5] * 8
    assert "must be a float32 tensor of shape [1000]" in str(wrong.error)
    assert "must be a float32 tensor of shape [1000]" in str(shape.error)
    assert "no numbers" in str(infinite.error)


GUIDES = {
    "JSON_SCHEMA": (
        '{"type": "object", "properties": {"a": {"enum": ["x y"]}}, "required": ["a"]}',
        '{"a": "x y"}',
    ),
    "REGEX": (r"[a-c]{2} (no|yes)\d", "aa no7"),
    "EBNF_GRAMMAR": ('x ::= "no"\nroot ::= "it is"', "it is"),
    "JSON": (None, "{}"),
}


@pytest.mark.parametrize("row", GUIDED_ROWS)
def test_a_guide_leaves_one_answer(row: str, tmp_path: Path) -> None:
    with opened(row, tmp_path, guides={}) as subject:
        requests = [
            subject.request(PROMPT, 50, end_id=1, guided_decoding_params=guide(subject.module, kind, text))
            for kind, (text, _) in GUIDES.items()
        ]
        *answers, plain = subject.run(*requests, subject.request(PROMPT))
    for answer, (_, text) in zip(answers, GUIDES.values(), strict=True):
        assert TOKENIZER.decode(answer.tokens()) == text
    assert plain.tokens() == want()


@pytest.mark.parametrize("row", [row for row in ROWS if (0, 9) <= minor(row) < (0, 16)])
def test_older_releases_have_no_guides(row: str) -> None:
    with installed(row):
        from tensorrt_llm.bindings import executor as module

        assert not hasattr(module, "GuidedDecodingConfig")
        with pytest.raises(TypeError):
            module.ExecutorConfig(max_beam_width=1, guided_decoding_config=None)


BAD_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "no tokens": ({"encoded_vocab": []}, "encoded_vocab"),
    "no stops": ({"stop_token_ids": []}, "stop_token_ids"),
    "no tokenizer": ({"tokenizer_str": None}, "tokenizer_str"),
    "stops that are no tokens": ({"stop_token_ids": [900]}, "not all tokens"),
    "tokens in another order": ({"encoded_vocab": TOKENS[::-1]}, "spelt otherwise"),
    "a token short": ({"encoded_vocab": TOKENS[:400]}, "spelt otherwise"),
}


@pytest.mark.parametrize("name", list(BAD_CONFIGS))
def test_configurations_that_cannot_be_right(name: str, tmp_path: Path) -> None:
    values, said = BAD_CONFIGS[name]
    with pytest.raises(RuntimeError, match=said), opened("1.2~", tmp_path, guides=values):
        pass


def test_more_tokens_than_the_model_has(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="more than the 1000"),
        opened("1.2~", tmp_path, guides={"encoded_vocab": [*TOKENS, *map(str, range(1000))]}),
    ):
        pass


def test_the_other_backend_is_the_python_sides(tmp_path: Path) -> None:
    with installed("1.2~"):
        from tensorrt_llm.bindings import executor as module

        kind = module.GuidedDecodingConfig.GuidedDecodingBackend.LLGUIDANCE
        with pytest.raises(RuntimeError, match="not supported"):
            config(module, backend=kind)


def test_guides_without_their_configuration(tmp_path: Path) -> None:
    with opened("1.2~", tmp_path) as subject:
        made = guide(subject.module, "REGEX", "a")
        answer, plain = subject.run(
            subject.request(PROMPT, guided_decoding_params=made), subject.request(PROMPT)
        )
        assert "without a guided_decoding_config" in str(answer.error)
        assert plain.tokens() == want()
        with pytest.raises(RuntimeError, match="must be provided"):
            guide(subject.module, "REGEX", None)


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [
        ("JSON_SCHEMA", "{", {}),
        ("REGEX", "(?=a)", {}),
        ("EBNF_GRAMMAR", 'x ::= "a"', {}),
        ("STRUCTURAL_TAG", "{}", {}),
        ("REGEX", "a", {"end_id": -1}),
        ("REGEX", "a", {"sampling": {"min_tokens": 5}}),
        ("REGEX", "a", {"bad_words": [[TOKENIZER.token_to_id("a")]]}),
    ],
)
def test_a_guide_that_goes_wrong_fails_all_that_runs(
    kind: str, text: str, values: dict[str, Any], tmp_path: Path
) -> None:
    with opened("1.2~", tmp_path, guides={}) as subject:
        made = guide(subject.module, kind, text)
        answers = subject.run(
            subject.request(PROMPT, 50, **{"end_id": 1, "guided_decoding_params": made, **values}),
            subject.request(PROMPT, 50),
        )
        assert all(answer.error for answer in answers)
        assert subject.run(subject.request(PROMPT))[0].tokens() == want()


def test_what_no_text_is_made_for_is_no_grammar() -> None:
    known = guided.vocabulary(TOKENS, TOKENIZER.to_str(), [1], 1000)
    for kind, text in (("JSON_SCHEMA", "3"), ("REGEX", "("), ("JSON_SCHEMA", '{"$ref": "#/x"}')):
        with pytest.raises(guided.NoGrammar):
            guided.answer(kind, text, known)


def test_a_piece_tokenizer_spells_blanks_its_own_way() -> None:
    llama = vocabulary("llama")
    tokens = [llama.id_to_token(number) for number in range(llama.get_vocab_size())]
    known = guided.vocabulary(tokens, llama.to_str(), [2], 1000)
    assert llama.decode(guided.answer("EBNF_GRAMMAR", 'root ::= "it is so"', known)) == "it is so"


# The LLM API.


def run(llm: Any, made: Any) -> Any:
    return llm.generate(inputs=PROMPT, sampling_params=made).outputs[0]


@pytest.mark.parametrize(
    ("row", "arguments", "number"),
    [
        ("1.0~", {"enable_trtllm_sampler": True}, None),
        ("1.2~", {"sampler_type": "TRTLLMSampler"}, 1),
        ("1.2~", {}, 3),
        ("1.3.0rc3", {}, 3),
    ],
)
def test_alternatives(row: str, arguments: dict[str, Any], number: int | None, tmp_path: Path) -> None:
    with llm_opened(row, tmp_path, **arguments) as (module, llm):
        if number is None:
            with pytest.raises(ValueError, match="logprobs=1"):
                run(llm, params(module, logprobs=3))
            return
        greedy, drawn = run(llm, params(module, logprobs=3)), run(llm, params(module, top_k=50, logprobs=3))
    assert [len(entry) for entry in greedy.logprobs] == [number] * 8
    for entry, token in zip(greedy.logprobs, greedy.token_ids, strict=True):
        assert entry[token].rank == 1
        assert entry[token].logprob == max(one.logprob for one in entry.values())
    if number > 1:
        assert 4 in {len(entry) for entry in drawn.logprobs}, "a token besides the likeliest"


def guided_llm(path: Path, row: str, **arguments: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    made = PreTrainedTokenizerFast(tokenizer_object=TOKENIZER, eos_token="</s>")
    given = {"skip_tokenizer_init": False, "tokenizer": made, "guided_decoding_backend": "xgrammar"}
    return llm_opened(row, path, **{**given, **arguments})


@pytest.mark.parametrize("row", [row for row in ROWS if row.startswith("1.")])
def test_guides_in_the_llm_api(row: str, tmp_path: Path) -> None:
    with guided_llm(tmp_path, row) as (module, llm):
        schema = json.loads(GUIDES["JSON_SCHEMA"][0] or "")
        kinds = {"json": schema, "regex": GUIDES["REGEX"][0], "grammar": GUIDES["EBNF_GRAMMAR"][0]}
        texts = [
            TOKENIZER.decode(
                run(
                    llm,
                    params(
                        module,
                        50,
                        end_id=1,
                        logprobs=1,
                        guided_decoding=module.llmapi.GuidedDecodingParams(**{name: value}),
                    ),
                ).token_ids
            )
            for name, value in kinds.items()
        ]
        assert texts == [text for _, text in GUIDES.values()][:3]
        wrong = module.llmapi.GuidedDecodingParams(regex="(?=a)")
        said = "Guided decoding error" if minor(row) >= (1, 2) else "REGEX"
        with pytest.raises(RuntimeError, match=said):
            run(llm, params(module, end_id=1, guided_decoding=wrong))
        if minor(row) >= (1, 2):
            assert run(llm, params(module)).token_ids == want()
        else:
            with pytest.raises(RuntimeError, match="worker died"):
                run(llm, params(module))


def test_guides_in_the_llm_api_need_a_tokenizer(tmp_path: Path) -> None:
    for arguments in ({"skip_tokenizer_init": True}, {"tokenizer": None}):
        with (
            pytest.raises(AssertionError, match="tokenizer is not None"),
            guided_llm(tmp_path, "1.2~", **arguments),
        ):
            pass
    with llm_opened("1.2~", tmp_path) as (module, llm):
        made = module.llmapi.GuidedDecodingParams(regex="a")
        with pytest.raises(ValueError, match="without a guided_decoding_backend"):
            run(llm, params(module, guided_decoding=made))
        with pytest.raises(ValueError, match="Only one guide"):
            module.llmapi.GuidedDecodingParams(regex="a", grammar="b")


def test_a_bias_ends_the_loop_of_1_0(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with llm_opened("1.0~", tmp_path) as (module, llm):
        with pytest.raises(RuntimeError, match="ambiguous"):
            run(llm, params(module, embedding_bias=torch.zeros(1000)))
        with pytest.raises(RuntimeError, match="worker died"):
            run(llm, params(module))
