from djl_trtllm.core import EngineRequest, Features, Guide, GuideKind, Limit, Limits, SamplingParams
from djl_trtllm.engines.trtllm.admission import refusal

LIMITS = Limits(*(Limit(100, "the test") for _ in range(6)))
FEATURES = Features(bad_words=True, guides=frozenset(GuideKind))


def said(*, guide: bool = False, single: bool = False, **sampling: object) -> list[str]:
    params = SamplingParams(**{"max_new_tokens": 4, **sampling})  # type: ignore[arg-type]
    request = EngineRequest(1, [5], params, Guide(GuideKind.REGEX, "a") if guide else None)
    error = refusal(request, LIMITS, FEATURES, single_words=single)
    return [] if error is None else list(error.problems)


def test_bad_words_of_several_tokens_where_only_single_ones_are_known() -> None:
    assert said(bad_words=((5,), (6,)), single=True) == []
    assert said(bad_words=((5,), (6, 7))) == []
    (problem,) = said(bad_words=((5,), (6, 7)), single=True)
    assert "more than one token" in problem


def test_bad_words_beside_a_guide() -> None:
    assert said(guide=True) == []
    (problem,) = said(guide=True, bad_words=((5,),))
    assert "together with a guide" in problem


def test_all_problems_are_told_at_once() -> None:
    assert len(said(guide=True, single=True, bad_words=((5, 6),), repetition_penalty=0.0)) == 3
