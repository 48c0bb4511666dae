"""The stand-in's GptManager of 0.8 behaves as the library's, whose callbacks and tensors it has."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.tensorrt_llm_stand_in import expected_tokens, installed, write_engine
from tests.contract.tensorrt_llm_stand_in.behaviours.tokens import log_prob
from tests.support.collector import eventually

PROMPT = [300, 301, 302]


def want(count: int = 8, prompt: list[int] = PROMPT, **sampling: Any) -> list[int]:
    return expected_tokens(prompt, count, vocab_size=1000, **sampling)


@dataclass
class Client:
    """Callbacks of a manager that keep what they are told."""

    module: Any
    waiting: list[Any] = field(default_factory=list)
    stops: set[int] = field(default_factory=set)
    stats: list[dict[str, Any]] = field(default_factory=list)
    rooms: list[int] = field(default_factory=list)
    news: queue.Queue[tuple[int, dict[str, Any], bool, str]] = field(default_factory=queue.Queue)

    def fetch(self, room: int) -> list[Any]:
        self.rooms.append(room)
        taken = self.waiting[:room]
        del self.waiting[: len(taken)]
        return taken

    def respond(self, request_id: int, tensors: list[Any], final: bool, error: str) -> None:
        self.news.put((request_id, {t.name: t.tensor for t in tensors}, final, error))

    def request(self, request_id: int, prompt: list[int] = PROMPT, count: int = 8, **tensors: Any) -> Any:
        request = self.module.InferenceRequest(request_id)
        request.input_ids = torch.tensor([prompt], dtype=torch.int32)
        request.max_new_tokens = torch.tensor([[count]], dtype=torch.int32)
        request.is_streaming = tensors.pop("is_streaming", True)
        for name, tensor in tensors.items():
            setattr(request, name, tensor)
        return request

    def until_final(self, *request_ids: int) -> dict[int, list[tuple[dict[str, Any], str]]]:
        found: dict[int, list[tuple[dict[str, Any], str]]] = {number: [] for number in request_ids}
        left = set(request_ids)
        while left:
            number, tensors, final, error = self.news.get(timeout=5)
            found.setdefault(number, []).append((tensors, error))
            if final:
                left.discard(number)
        return found


@contextmanager
def managed(
    path: Path, *, policy: str = "MAX_UTILIZATION", knobs: Any = None, **engine: Any
) -> Iterator[Any]:
    directory = write_engine(path / "engine", "0.8.0", **engine)
    with installed("0.8.0", **(knobs or {})):
        from tensorrt_llm import bindings

        client = Client(bindings)
        manager = bindings.GptManager(
            trt_engine_path=directory,
            model_type=bindings.TrtGptModelType.InflightFusedBatching,
            max_beam_width=engine.get("max_beam_width", 1),
            scheduler_policy=getattr(bindings.SchedulerPolicy, policy),
            get_inference_requests_cb=client.fetch,
            send_response_cb=client.respond,
            poll_stop_signal_cb=lambda: client.stops,
            return_batch_manager_stats_cb=lambda text: client.stats.append(json.loads(text)),
            optional_params=bindings.TrtGptModelOptionalParams(
                kv_cache_config=bindings.KvCacheConfig(max_tokens=4096)
            ),
            terminate_req_id=10000,
        )
        yield client, manager


def joined(parts: list[tuple[dict[str, Any], str]]) -> list[int]:
    """The tokens of a stream, each response cut at its sequence length."""
    return [
        token
        for tensors, _ in parts
        for token in tensors["output_ids"][0, 0, : int(tensors["sequence_length"][0, 0])].tolist()
    ]


def one(value: float, dtype: torch.dtype = torch.int32) -> torch.Tensor:
    return torch.tensor([value], dtype=dtype)


def test_streams_give_new_tokens_and_whole_answers_the_prompt_too(tmp_path: Path) -> None:
    with managed(tmp_path) as (client, manager):
        prompts = [[300 + n, 301] for n in range(40)]
        client.waiting += [client.request(n, prompt) for n, prompt in enumerate(prompts)]
        client.waiting.append(client.request(99, is_streaming=False))
        found = client.until_final(*range(40), 99)
        assert [joined(found[n]) for n in range(40)] == [want(8, prompt) for prompt in prompts]
        assert {len(found[n]) for n in range(40)} != {1}
        ((tensors, error),) = found[99]
        assert error == ""
        assert tensors["output_ids"].tolist() == [[PROMPT + want()]]
        assert tensors["sequence_length"].tolist() == [[11]]
        assert tensors["output_ids"].dtype is torch.int32
        assert max(client.rooms) == 32
        assert client.stats[0]["Tokens per KV cache block"] == 64
        assert client.stats[0]["Max KV cache blocks"] == 64
        manager.shutdown()


def test_log_probs_are_always_there_and_zero_unless_asked(tmp_path: Path) -> None:
    with managed(tmp_path) as (client, manager):
        asked = torch.tensor([True])
        client.waiting += [client.request(1, return_log_probs=asked), client.request(2)]
        found = client.until_final(1, 2)
        last, plain = found[1][-1][0], found[2][-1][0]
        values = [log_prob(token) for token in want()]
        assert last["output_log_probs"][0, 0].tolist() == pytest.approx(values)
        assert last["cum_log_probs"][0, 0].item() == pytest.approx(sum(values))
        assert plain["output_log_probs"][0, 0].tolist() == [0.0] * 8
        manager.shutdown()


def test_sampling_reaches_the_tokens(tmp_path: Path) -> None:
    plain = want(20)
    words = torch.tensor([[[*plain[3:5], 9], [2, 3, -1]]], dtype=torch.int32)
    with managed(tmp_path) as (client, manager):
        client.waiting += [
            client.request(
                1,
                runtime_top_k=one(40),
                runtime_top_p=one(0.9, torch.float32),
                temperature=one(0.7, torch.float32),
                random_seed=one(2**40, torch.int64),
                repetition_penalty=one(1.2, torch.float32),
            ),
            client.request(2, count=20, end_id=one(plain[5]), pad_id=one(0)),
            client.request(3, count=20, end_id=one(plain[5]), min_length=one(7)),
            client.request(4, count=20, stop_words_list=words),
            client.request(5, count=20, bad_words_list=torch.tensor([[[plain[0]], [1]]], dtype=torch.int32)),
            client.request(6, runtime_top_k=one(0), runtime_top_p=one(0.0, torch.float32)),
        ]
        found = client.until_final(1, 2, 3, 4, 5, 6)
        sampling = {"top_k": 40, "top_p": 0.9, "temperature": 0.7, "seed": 2**40, "repetition_penalty": 1.2}
        assert joined(found[1]) == want(**sampling)
        assert joined(found[2]) == plain[:6]
        assert joined(found[3]) == want(20, end_id=plain[5], min_tokens=7)
        assert joined(found[4]) == plain[:5]
        assert joined(found[5]) == want(20, bad_words=[[plain[0]]])
        assert joined(found[6]) == want()
        manager.shutdown()


def test_beams_come_whole_only(tmp_path: Path) -> None:
    with managed(tmp_path, max_beam_width=2) as (client, manager):
        client.waiting.append(client.request(1, beam_width=one(2), is_streaming=False))
        ((tensors, _),) = client.until_final(1)[1]
        assert tensors["output_ids"][0].tolist() == [PROMPT + want(beam_width=2, beam=b) for b in range(2)]
        client.waiting.append(client.request(2, beam_width=one(2)))
        ((tensors, error),) = client.until_final(2)[2]
        assert tensors == {}
        assert error == (
            "Cannot process new request: [TensorRT-LLM][ERROR] Assertion failed: "
            "Streaming mode is only supported with beam width of 1."
        )
        manager.shutdown()


def test_stopping_and_shutting_down(tmp_path: Path) -> None:
    with managed(tmp_path, knobs={"step": 0.002}) as (client, manager):
        client.waiting.append(client.request(1, count=900, end_id=one(2)))
        client.news.get(timeout=5)
        client.stops = {1, 77}
        found = client.until_final(1)[1]
        client.waiting.append(client.request(2, count=60))
        client.news.get(timeout=5)
        assert len(found) < 40
        assert found[-1][1] == ""
        assert found[-1][0]["sequence_length"].tolist() == [[0]]
        assert found[-1][0]["output_ids"].tolist() == [[[2]]]
        ending = threading.Thread(target=manager.shutdown)
        ending.start()
        client.until_final(2)
        ending.join(5)
        assert not ending.is_alive()


def test_the_request_of_termination_drops_the_others(tmp_path: Path) -> None:
    with managed(tmp_path, knobs={"step": 0.002}) as (client, manager):
        client.waiting.append(client.request(1, count=900))
        client.news.get(timeout=5)
        client.waiting.append(client.module.InferenceRequest(10000))
        eventually(lambda: not client.waiting, "the request of termination is fetched")
        manager.shutdown()
        while not client.news.empty():
            assert client.news.get()[2] is False


def test_requests_that_the_manager_refuses(tmp_path: Path) -> None:
    with managed(tmp_path, max_input_len=16, max_seq_len=40, knobs={"step": 0.002}) as (client, manager):
        client.waiting += [
            client.request(1, [300] * 17),
            client.request(2, [1000]),
            client.request(3, runtime_top_k=one(-1)),
            client.request(4, count=0),
            client.module.InferenceRequest(5),
            client.request(6, count=500),
            client.request(6, count=500),
        ]
        found = client.until_final(1, 2, 3, 4, 5)
        errors = {number: parts[-1][1] for number, parts in found.items()}
        assert errors[1].startswith(
            "Cannot process new request: Prompt length (17) exceeds maximum input length (16)"
        )
        assert "vocabulary" in errors[2]
        assert "top_k must be >= 0" in errors[3]
        assert "max_new_tokens must be > 0" in errors[4]
        assert "Failed to get value from tensor: input_ids" in errors[5]
        sixth = found.get(6, [])
        while not any(error for _, error in sixth):
            _, tensors, _, error = client.news.get(timeout=5)
            sixth.append((tensors, error))
        manager.shutdown()
        while not client.news.empty():
            _, tensors, _, error = client.news.get()
            sixth.append((tensors, error))
        rest = {failed: [part for part in sixth if bool(part[1]) is failed] for failed in (True, False)}
        assert "Request ID 6 already exist" in rest[True][0][1]
        assert joined(rest[False]) == want(24)


def test_a_failed_step_ends_everybody_and_the_loop_goes_on(tmp_path: Path) -> None:
    faults = [{"stage": "step", "kind": "raise", "after": 3, "times": 1, "message": "CUDA error"}]
    with managed(tmp_path, knobs={"faults": faults}) as (client, manager):
        client.waiting += [client.request(1, count=50), client.request(2, count=50)]
        found = client.until_final(1, 2)
        assert {parts[-1][1] for parts in found.values()} == {
            "Encountered an error in forwardAsync function: CUDA error"
        }
        client.waiting.append(client.request(3))
        assert joined(client.until_final(3)[3]) == want()
        manager.shutdown()


@pytest.mark.parametrize("broken", ["fetch", "respond"])
def test_an_exception_of_a_callback_is_the_end(broken: str, tmp_path: Path) -> None:
    with managed(tmp_path) as (client, manager):
        if broken == "fetch":
            client.waiting.append("no request")
        else:
            client.news = None  # type: ignore[assignment]
            client.waiting.append(client.request(1))
        manager._behaviour._loop._thread.join(5)
        with pytest.raises(RuntimeError, match="terminate called"):
            manager.shutdown()


BAD_TENSORS: dict[str, tuple[str, Any, type[Exception]]] = {
    "unknown": ("top_k", one(1), AttributeError),
    "list": ("input_ids", [[1, 2]], TypeError),
    "int": ("end_id", 2, TypeError),
    "none": ("end_id", None, TypeError),
    "int64": ("input_ids", torch.tensor([[1, 2]]), TypeError),
    "flat": ("input_ids", torch.tensor([1, 2], dtype=torch.int32), RuntimeError),
    "flat count": ("max_new_tokens", one(8), RuntimeError),
    "square": ("end_id", torch.tensor([[2]], dtype=torch.int32), RuntimeError),
    "float top_k": ("runtime_top_k", one(4, torch.float32), TypeError),
    "double": ("temperature", one(0.7, torch.float64), TypeError),
    "seed": ("random_seed", one(3), TypeError),
    "streaming": ("is_streaming", torch.tensor([True]), TypeError),
    "flag": ("return_log_probs", one(1), TypeError),
    "words": ("stop_words_list", torch.tensor([[4], [1]], dtype=torch.int32), RuntimeError),
    "id": ("request_id", 4, AttributeError),
}


@pytest.mark.parametrize("name", list(BAD_TENSORS))
def test_a_tensor_is_checked_where_it_is_set(name: str) -> None:
    attribute, value, error = BAD_TENSORS[name]
    with installed("0.8.0"):
        from tensorrt_llm.bindings import InferenceRequest

        with pytest.raises(error):
            setattr(InferenceRequest(1), attribute, value)


def test_a_request_made_of_a_map_of_tensors() -> None:
    with installed("0.8.0"):
        from tensorrt_llm.bindings import InferenceRequest

        count = torch.tensor([[8]], dtype=torch.int32)
        assert InferenceRequest(3, {"request_output_len": count}).max_new_tokens is count
        with pytest.raises(RuntimeError, match="Invalid tensor name: max_new_tokens"):
            InferenceRequest(3, {"max_new_tokens": count})
        for wrong in ({"arg0": 3}, {"request_id": 3}):
            with pytest.raises(TypeError):
                InferenceRequest(**wrong)
        with pytest.raises(TypeError):
            InferenceRequest(-1)


def test_newer_versions_and_older_names_are_not_there(tmp_path: Path) -> None:
    with installed("0.15.0"), pytest.raises(ImportError):
        from tensorrt_llm.bindings import GptManager  # noqa: F401
    directory = write_engine(tmp_path / "engine", "0.9.0")
    with installed("0.8.0"):
        from tensorrt_llm import bindings

        with pytest.raises(RuntimeError, match="Version tag does not match"):
            bindings.GptManager(
                trt_engine_path=directory,
                model_type=bindings.TrtGptModelType.InflightBatching,
                max_beam_width=1,
                scheduler_policy=bindings.SchedulerPolicy.MAX_UTILIZATION,
                get_inference_requests_cb=lambda room: [],
                send_response_cb=lambda *news: None,
            )
