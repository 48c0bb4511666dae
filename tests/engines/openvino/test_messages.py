from __future__ import annotations

from array import array

import msgspec
import pytest

from djl_trtllm.core import EngineRequest, Guide, GuideKind, SamplingParams
from djl_trtllm.engines.openvino import messages as m
from djl_trtllm.engines.openvino.sampling import generation_values, sequenced

SEQUENCE = sequenced(EngineRequest(7, [1, 2, 70000], SamplingParams(5, seed=-1, top_k=2**40)))
START = m.Start("model", 8, 256, 4, True, {"A": "f32", "B": 2}, [1, 2])
STEP = m.Step([m.Chunk(1, [5]), m.Chunk(2, [6, 7], [-0.5, -1.0], m.LENGTH)], m.Load(2, 12.5))


@pytest.mark.parametrize("message", [START, m.Submit([SEQUENCE]), m.Cancel([1, 2]), m.Close()])
def test_to_the_child_and_back(message: m.ToChild) -> None:
    assert m.decode_to_child(m.encode(message)) == message


@pytest.mark.parametrize("message", [m.Ready(0.5), m.Failed(m.MEMORY, "text"), STEP, m.Step([])])
def test_to_the_parent_and_back(message: m.ToParent) -> None:
    assert m.decode_to_parent(m.encode(message)) == message


def test_the_wrong_direction_is_not_understood() -> None:
    with pytest.raises(msgspec.ValidationError):
        m.decode_to_child(m.encode(STEP))


def test_a_step_is_small() -> None:
    thirty_two = m.Step([m.Chunk(i, [30000 + i]) for i in range(32)], m.Load(32, 50.0))
    assert len(m.encode(thirty_two)) < 32 * 12 + 30


def test_ids_are_packed_as_int64() -> None:
    assert array("q", m.pack_ids([0, 1, 2**40])).tolist() == [0, 1, 2**40]
    assert SEQUENCE.prompt == array("q", [1, 2, 70000]).tobytes()


def test_numbers_fit_what_the_pipeline_takes() -> None:
    assert SEQUENCE.sampling.seed == 2**63 - 1
    assert SEQUENCE.sampling.top_k == 2**31 - 1
    assert m.decode_to_child(m.encode(m.Submit([SEQUENCE]))) == m.Submit([SEQUENCE])


def values(**sampling: object) -> dict[str, object]:
    request = EngineRequest(1, [1], SamplingParams(**{"max_new_tokens": 5, **sampling}))  # type: ignore[arg-type]
    return generation_values(sequenced(request).sampling, {2})


def test_greedy_leaves_out_what_only_sampling_uses() -> None:
    greedy = values(temperature=0.0, top_p=7.0, seed=3)
    assert not {"temperature", "top_p", "min_p", "top_k", "rng_seed", "do_sample"} & greedy.keys()
    assert greedy["stop_token_ids"] == {2}
    assert greedy["logprobs"] == 0


def test_sampling_always_sets_the_seed() -> None:
    sampled = values(do_sample=True, temperature=0.5, top_p=0.9, min_p=0.1, seed=0)
    assert sampled["rng_seed"] == 0
    assert (sampled["temperature"], sampled["top_p"], sampled["min_p"]) == (0.5, 0.9, 0.1)
    assert "top_k" not in sampled
    assert values(do_sample=True, top_k=40)["top_k"] == 40


def test_logprobs_are_asked_for_by_a_count() -> None:
    assert values(logprobs=True)["logprobs"] == 1
    assert values(ignore_eos=True)["ignore_eos"] is True


@pytest.mark.parametrize("kind", list(GuideKind))
def test_a_guide_travels_and_says_itself_where_its_answer_ends(kind: GuideKind) -> None:
    sampling = SamplingParams(9, min_new_tokens=5, ignore_eos=True)
    bound = sequenced(EngineRequest(1, [5], sampling, Guide(kind, "ü")))
    assert bound.guide == m.Bound({"JSON": "json_schema"}.get(kind.name, kind.name.lower()), "ü")
    assert (bound.sampling.min_new_tokens, bound.sampling.ignore_eos) == (0, False)
    assert m.decode_to_child(m.encode(m.Submit([bound]))) == m.Submit([bound])
    free = sequenced(EngineRequest(1, [5], sampling))
    assert (free.sampling.min_new_tokens, free.sampling.ignore_eos, free.guide) == (5, True, None)
