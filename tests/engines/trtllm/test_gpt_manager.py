"""How 0.8's manager is fed; what it answers is in test_responses, the rules of the seam in tests/contract."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.core import EngineRequest, SamplingParams
from djl_trtllm.engines.trtllm.gpt_link import GptLink
from djl_trtllm.engines.trtllm.gpt_requests import inference_request, plain
from djl_trtllm.engines.trtllm.sequences import Ends
from djl_trtllm.errors import EngineRestarting, LoadError
from djl_trtllm.ranks import Solo
from tests.contract.engine_suite import Subject
from tests.contract.tensorrt_llm_stand_in import installed
from tests.support.teams import ThreadTeam
from tests.support.trtllm_engines import STEP, VOCAB, engine, model

ENDS = Ends((2, 3, 4))


def values(ends: Ends = ENDS, **sampling: object) -> dict[str, Any]:
    params = SamplingParams(**{"max_new_tokens": 9, **sampling})  # type: ignore[arg-type]
    return dict(plain(EngineRequest(5, (10, 11), params), ends, VOCAB))


def test_a_greedy_request() -> None:
    assert values() == {
        "is_streaming": True,
        "input_ids": [10, 11],
        "max_new_tokens": 9,
        "beam_width": 1,
        "end_id": 2,
        "pad_id": 2,
        "stop_words_list": [[3], [4]],
        "runtime_top_k": 1,
    }
    assert "pad_id" not in values(Ends())


def test_everything_a_request_can_say() -> None:
    said = values(
        do_sample=True, temperature=0.5, top_p=0.9, seed=2**63 + 1, presence_penalty=1, logprobs=True
    )
    assert (said["runtime_top_k"], said["runtime_top_p"], said["temperature"]) == (0, 0.9, 0.5)
    assert (said["random_seed"], said["presence_penalty"], said["return_log_probs"]) == (1, 1.0, True)
    held = values(min_new_tokens=3)
    assert (held["min_length"], "stop_words_list" in held) == (3, False)
    ignoring = values(ignore_eos=True)
    assert (ignoring["end_id"], "stop_words_list" in ignoring) == (-1, False)
    beams = values(num_beams=4, length_penalty=0.5)
    assert (beams["is_streaming"], beams["beam_width"], beams["length_penalty"]) == (False, 4, 0.5)


def test_tensors_have_the_shapes_that_are_read() -> None:
    with installed("0.8.0"):
        from tensorrt_llm import bindings

        every = values(do_sample=True, logprobs=True, repetition_penalty=1.5) | {
            "min_length": 1,
            "length_penalty": 1.0,
        }
        made = inference_request(bindings, 7, every)
        assert made.request_id == 7
        assert made.is_streaming is True
        assert made.input_ids.tolist() == [[10, 11]]
        assert made.max_new_tokens.tolist() == [[9]]
        assert made.stop_words_list.tolist() == [[[3, 4], [1, 2]]]
        assert str(made.random_seed.dtype) == "torch.int64"


def test_no_exception_leaves_a_callback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with installed("0.8.0", step=STEP):
        subject = Subject(engine(model(tmp_path, "0.8.0")))
        subject.engine.open(subject.news)
        subject.engine._manager._queue.append((10**9, {"no_such_tensor": 1}))  # type: ignore[attr-defined]
        running = subject.request([300], max_new_tokens=600)
        subject.run(running)
        assert isinstance(subject.news.error(running.id), EngineRestarting)
        with caplog.at_level(logging.ERROR):
            subject.engine.close()
        subject.news.check()
    assert "a callback raised" not in caplog.text


def test_what_waits_here_is_cancelled_here(tmp_path: Path) -> None:
    with installed("0.8.0", step=STEP):
        subject = Subject(engine(model(tmp_path, "0.8.0", max_batch_size=1)))
        subject.engine.open(subject.news)
        runs, waits = subject.request([300], max_new_tokens=600), subject.request([301])
        subject.engine.submit([runs, waits])
        subject.news.wait_tokens(runs.id, 1)
        subject.engine.cancel([waits.id])
        assert len(subject.engine._flight.handles) == 1  # type: ignore[attr-defined]
        subject.engine.cancel([runs.id])
        assert subject.run(subject.request([302]))[0][0]
        subject.engine.close()
        subject.news.check()


def test_a_team_of_one_needs_no_mpi() -> None:
    assert GptLink(Solo()).told({"a": 1}) == {"a": 1}


def test_an_mpi_for_one_thread_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import mpi4py

    class Serial:
        THREAD_MULTIPLE = 3

        @staticmethod
        def Query_thread() -> int:  # noqa: N802
            return 2

    monkeypatch.setitem(__import__("sys").modules, "mpi4py.MPI", Serial)
    monkeypatch.setattr(mpi4py, "MPI", Serial, raising=False)
    with pytest.raises(LoadError, match="MPI_THREAD_MULTIPLE"):
        GptLink(ThreadTeam(0, 2, None))  # type: ignore[arg-type]


def test_words_of_several_tokens_and_a_bias() -> None:
    held = values(bad_words=((5,), (6, 7, 8)), logit_bias=((3, 2.0),))
    assert held["bad_words_list"] == [[5], [6, 7, 8]]
    with installed("0.8.0"):
        import tensorrt_llm.bindings as bindings

        made = inference_request(bindings, 7, held)
        assert made.bad_words_list.tolist() == [[[5, 6, 7, 8], [1, 4, -1, -1]]]
        bias = made.embedding_bias
        assert (str(bias.dtype), tuple(bias.shape), float(bias[0][3])) == ("torch.float32", (1, VOCAB), 2.0)
