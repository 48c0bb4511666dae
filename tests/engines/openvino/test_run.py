"""The parent's side over a real child: death, stalls, load failures, exactness."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from djl_trtllm.core import CompiledModel, EngineRequest, FinishReason, Guide, GuideKind, SamplingParams
from djl_trtllm.engines.base import EngineClosedError
from djl_trtllm.engines.openvino import messages as m
from djl_trtllm.engines.openvino.run import OpenVINOEngine
from djl_trtllm.engines.openvino.runtime import OpenVINO
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.errors import ArtifactError, EngineRestarting, GenerationFailed, LoadError, OutOfMemory
from djl_trtllm.ranks import Solo
from tests.support import tiny
from tests.support.collector import Collector, eventually
from tests.support.engines import compiled, openvino_engine, tiny_engine_options

pytestmark = pytest.mark.compile

LONG = 900


def request(id_: int, new: int = 8, prompt: list[int] | None = None) -> EngineRequest:
    return EngineRequest(id_, prompt or [300 + id_ % 90, 301], SamplingParams(new, ignore_eos=True))


@pytest.fixture
def news() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.check()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A compiled model to damage."""
    return Path(shutil.copytree(compiled("llama").path, tmp_path / "model"))


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_greedy_equals_transformers_alone_and_in_a_batch(tmp_path: Path, news: Collector) -> None:
    prompts = tiny.prompts("llama", 16)
    expected = tiny.reference("llama", prompts, 16)
    engine = openvino_engine(tmp_path, openvino_kv_cache=4096)
    engine.open(news)
    try:
        sampling = SamplingParams(16)
        for i, prompt in enumerate(prompts):
            engine.submit([EngineRequest(i, prompt, sampling)])
            news.wait_ended([i])
        engine.submit([EngineRequest(100 + i, prompt, sampling) for i, prompt in enumerate(prompts)])
        news.wait_ended(range(100, 116))
    finally:
        engine.close()
    assert [news.tokens(i) for i in range(16)] == expected
    assert [news.tokens(100 + i) for i in range(16)] == expected


def test_a_killed_child_costs_its_requests_and_nothing_else(tmp_path: Path, news: Collector) -> None:
    inner: list[OpenVINOEngine] = []

    def make() -> OpenVINOEngine:
        inner.append(openvino_engine(tmp_path, openvino_kv_cache="64MiB"))
        return inner[-1]

    engine = Supervisor(make)
    engine.open(news)
    try:
        engine.submit([request(1)])
        news.wait_ended([1])
        engine.submit([request(i, LONG) for i in range(10, 26)])
        for i in range(10, 26):
            news.wait_tokens(i, 2)
        pid = inner[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        news.wait_ended(range(10, 26))
        engine.submit([request(91)])
        news.wait_ended([91])
    finally:
        engine.close()
    assert all(isinstance(news.error(i), EngineRestarting) for i in range(10, 26))
    assert news.outcome(request(91)) == (news.tokens(1), FinishReason.LENGTH)
    assert not news.deaths
    assert len(inner) == 2
    assert inner[1].pid is not None
    eventually(lambda: gone(pid) and gone(inner[1].pid or 0), "the children's end")


def test_an_unsupervised_death_is_told_once_and_later_requests_are_refused(
    tmp_path: Path, news: Collector
) -> None:
    engine = openvino_engine(tmp_path)
    engine.open(news)
    try:
        engine.submit([request(1, LONG)])
        news.wait_tokens(1, 1)
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        news.wait_dead()
        engine.submit([request(2)])
        assert isinstance(news.error(1), EngineRestarting)
        assert isinstance(news.error(2), EngineRestarting)
        engine.cancel([1, 2])
    finally:
        engine.close()
    assert len(news.deaths) == 1


def test_an_idle_child_s_death_is_noticed(tmp_path: Path, news: Collector) -> None:
    engine = openvino_engine(tmp_path)
    engine.open(news)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    news.wait_dead()
    engine.close()


def test_a_child_that_stands_still_is_replaced(
    tmp_path: Path, news: Collector, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    inner: list[OpenVINOEngine] = []

    def make() -> OpenVINOEngine:
        inner.append(openvino_engine(tmp_path))
        return inner[-1]

    engine = Supervisor(make)
    engine.open(news)
    try:
        engine.submit([request(1, LONG)])
        news.wait_tokens(1, 1)
        pid = inner[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        eventually(lambda: time.monotonic() - engine.progress > 0.5, "silence")
        engine.replace("It hangs.")
        engine.submit([request(2)])
        news.wait_ended([2])
    finally:
        engine.close()
    assert not news.ended(1), "whoever has it replaced tells its clients"
    assert news.tokens(2)
    assert gone(pid)
    assert len(inner) == 2
    assert f"process {pid} (T (stopped)) is ended" in caplog.text
    assert "loop.py" in capfd.readouterr().err, "the child's own stacks"


def test_a_prompt_of_many_steps_is_progress(tmp_path: Path, news: Collector) -> None:
    engine = openvino_engine(tmp_path, openvino_step_tokens=32)
    engine.open(news)
    try:
        before = time.monotonic()
        engine.submit([request(1, 1, prompt=[300 + i % 90 for i in range(960)])])
        told = set()
        while not news.ended(1):
            told.add(engine.progress)
            time.sleep(0.0005)
        assert min(told) >= before
    finally:
        engine.close()
    assert len(told) > 3, "it tells of each part of the prompt"


def test_while_a_guide_is_compiled_silence_is_no_sign(tmp_path: Path, news: Collector) -> None:
    engine = openvino_engine(tmp_path, guide_timeout=7)
    engine.open(news)
    try:
        guided = EngineRequest(1, [300, 301], SamplingParams(3), Guide(GuideKind.REGEX, "a+"))
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGSTOP)
        engine.submit([guided])
        assert 13 < engine.progress - time.monotonic() <= 14
        os.kill(engine.pid, signal.SIGCONT)
        news.wait_ended([1])
        assert engine.progress <= time.monotonic()
        os.kill(engine.pid, signal.SIGSTOP)
        engine.submit([EngineRequest(2, guided.prompt_ids, guided.sampling, guided.guide)])
        engine.cancel([2])
        assert engine.progress <= time.monotonic()
        engine.halt()
    finally:
        engine.close()


@pytest.mark.parametrize("broken", ["_on_step", "_token_chunk"])
def test_an_error_in_the_reading_thread_is_the_engine_s_death(
    tmp_path: Path, news: Collector, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fails(*_: object) -> None:
        raise SystemExit

    engine = openvino_engine(tmp_path)
    engine.open(news)
    pid = engine.pid
    assert pid is not None
    monkeypatch.setattr(engine, broken, fails)
    engine.submit([request(1, LONG)])
    news.wait_dead()
    engine.close()
    assert isinstance(news.error(1), EngineRestarting)
    assert gone(pid)


def test_an_error_in_the_writing_thread_is_the_engine_s_death(tmp_path: Path, news: Collector) -> None:
    engine = openvino_engine(tmp_path)
    engine.open(news)
    engine._child.send("no bytes")  # type: ignore[arg-type]
    engine.submit([request(1, LONG)])
    news.wait_dead()
    engine.close()
    assert isinstance(news.error(1), EngineRestarting)


def test_terminal_and_service_signals_are_the_parent_s_business(tmp_path: Path, news: Collector) -> None:
    engine = openvino_engine(tmp_path)
    engine.open(news)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGINT)
    os.kill(engine.pid, signal.SIGTERM)
    engine.submit([request(1)])
    news.wait_ended([1])
    engine.close()
    assert news.finish(1) is FinishReason.LENGTH


OPEN_AND_TELL = """
import sys, threading, time
from pathlib import Path
from tests.support.collector import Collector
from tests.support.engines import openvino_engine
from tests.engines.openvino.test_run import request, LONG
engine = openvino_engine(Path("."))
# From a thread that ends: the child must not end with it.
opener = threading.Thread(target=engine.open, args=(Collector(),))
opener.start(); opener.join()
time.sleep(0.3)
engine.submit([request(1, LONG)])
print(engine.pid, flush=True)
time.sleep(60)
"""


def test_the_child_dies_with_its_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_TELL], stdout=subprocess.PIPE, text=True, cwd=tiny.ROOT
    )
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
        parent.wait()
        eventually(lambda: gone(pid), "the child's end")


def test_close_ends_the_process(tmp_path: Path, news: Collector) -> None:
    engine = openvino_engine(tmp_path)
    engine.open(news)
    pid = engine.pid
    assert pid is not None
    engine.submit([request(1, LONG)])
    news.wait_tokens(1, 1)
    engine.close()
    assert gone(pid)
    assert news.finish(1) is FinishReason.CANCELLED
    assert not [t.name for t in threading.enumerate() if t.name.startswith("openvino")]


def test_close_while_opening_ends_the_opening(tmp_path: Path, news: Collector) -> None:
    engine = openvino_engine(tmp_path)
    caught: list[BaseException] = []

    def open_it() -> None:
        try:
            engine.open(news)
        except LoadError as error:
            caught.append(error)

    opener = threading.Thread(target=open_it)
    opener.start()
    eventually(lambda: engine.pid is not None, "the child's start")
    engine.close()
    opener.join(30)
    assert len(caught) == 1
    assert engine.pid is not None
    assert gone(engine.pid)
    assert not news.deaths


def damage_bin(model: Path) -> None:
    replace(model / "openvino_model.bin", b"short")


def damage_graph(model: Path) -> None:
    graph = (model / "openvino_model.xml").read_bytes()
    replace(model / "openvino_model.xml", graph[: len(graph) // 2])


def drop_graph(model: Path) -> None:
    (model / "openvino_model.xml").unlink()


def replace(file: Path, content: bytes) -> None:
    file.unlink()
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [damage_bin, damage_graph, drop_graph])
def test_a_damaged_model_is_one_clear_sentence(copy: Path, news: Collector, damage: object) -> None:
    damage(copy)  # type: ignore[operator]
    engine = OpenVINOEngine(CompiledModel(copy, "damaged"), tiny_engine_options())
    with pytest.raises(ArtifactError) as caught:
        engine.open(news)
    assert len(caught.value.problems) == 1
    assert str(copy) not in str(caught.value)
    assert not news.deaths
    with pytest.raises(EngineClosedError):
        engine.submit([])
    assert engine.pid is None or gone(engine.pid)


def test_a_cache_larger_than_memory_names_the_option(tmp_path: Path, news: Collector) -> None:
    with pytest.raises(OutOfMemory, match=r"option openvino_kv_cache=900GiB.*Lower openvino_kv_cache"):
        openvino_engine(tmp_path, openvino_kv_cache="900GiB").open(news)


def test_a_child_that_dies_while_loading(
    tmp_path: Path, news: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(LoadError, match="ended while loading \\(exit code 1\\)"):
        openvino_engine(tmp_path).open(news)


def test_a_child_that_cannot_be_started(
    tmp_path: Path, news: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(LoadError, match="it could not be started"):
        openvino_engine(tmp_path).open(news)
    assert "no-python" in caplog.text


def test_loading_has_a_deadline(tmp_path: Path, news: Collector) -> None:
    engine = openvino_engine(tmp_path, model_loading_timeout=1)
    engine._child._on_messages = lambda messages: None  # The child's Ready is never heard.
    with pytest.raises(LoadError, match="not loaded within 1 s"):
        engine.open(news)
    assert engine.pid is not None
    assert gone(engine.pid)


def test_what_the_pipeline_ignores_or_refuses_fails_with_a_reason(tmp_path: Path, news: Collector) -> None:
    """The last check lets neither happen, so the child's words are put into its mouth."""
    engine = openvino_engine(tmp_path)
    engine.open(news)
    try:
        engine.submit([request(1, LONG), request(2, LONG)])
        said = m.Step([m.Chunk(1, [5], [float("-inf")], m.IGNORED), m.Chunk(2, [], None, m.REFUSED)])
        engine._on_messages([m.encode(said)])
    finally:
        engine.close()
    assert isinstance(news.error(1), GenerationFailed)
    assert "KV cache of 1024 tokens" in str(news.error(1))
    assert isinstance(news.error(2), GenerationFailed)
    assert all(value > -1e4 for value in news.logprobs(1))


def test_a_request_that_cannot_be_sent_ends_alone(tmp_path: Path, news: Collector) -> None:
    engine = openvino_engine(tmp_path)
    engine.open(news)
    try:
        odd = EngineRequest(1, [300.5], SamplingParams(4))  # type: ignore[list-item]
        engine.submit([odd, request(2)])
        news.wait_ended([1, 2])
    finally:
        engine.close()
    assert news.error(1) is not None
    assert news.finish(2) is FinishReason.LENGTH


def test_one_line_says_what_was_opened(
    tmp_path: Path, news: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine = openvino_engine(tmp_path)
    engine.open(news)
    engine.close()
    lines = [r.getMessage() for r in caplog.records if r.name == "djl_trtllm.engines.openvino.run"]
    assert len(lines) == 1
    assert "KV cache 1024 tokens (option openvino_kv_cache=1024)" in lines[0]


def test_an_overfull_cache_finishes_everybody(tmp_path: Path, news: Collector) -> None:
    engine = openvino_engine(tmp_path, openvino_kv_cache=640)
    engine.open(news)
    try:
        engine.submit([request(1, 200, [300] * 50)])
        news.wait_ended([1])
        engine.submit([request(i, 200, [300] * 50) for i in range(2, 14)])
        news.wait_ended(range(2, 14))
    finally:
        engine.close()
    assert {tuple(news.tokens(i)) for i in range(1, 14)} == {tuple(news.tokens(1))}


def test_prefix_caching_gives_the_same_tokens(tmp_path: Path, news: Collector) -> None:
    engine = openvino_engine(tmp_path, enable_kv_cache_reuse="true", openvino_kv_cache=4096)
    engine.open(news)
    prompt = [300 + i % 80 for i in range(200)]
    try:
        for i in (1, 2):
            engine.submit([request(i, 16, prompt)])
            news.wait_ended([i])
        engine.submit([request(3 + k, 16, prompt) for k in range(4)])
        news.wait_ended(range(3, 7))
    finally:
        engine.close()
    assert {tuple(news.tokens(i)) for i in range(1, 7)} == {tuple(news.tokens(1))}


def test_the_runtime_makes_this_engine() -> None:
    engine = OpenVINO().engine(compiled("llama"), tiny_engine_options(), Solo())
    assert isinstance(engine, OpenVINOEngine)
    assert engine.features.beam_width == 1


def test_serving_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from djl_trtllm.core import CompiledModel\n"
        "from djl_trtllm.options import sources\n"
        "from djl_trtllm.ranks import Solo\n"
        "from djl_trtllm.engines.openvino.runtime import OpenVINO\n"
        "class Inbox:\n"
        "    def put(self, chunks): pass\n"
        "    def dead(self, error): pass\n"
        "engine = OpenVINO().engine(CompiledModel(Path(sys.argv[1]), 'm'), sources.read({}, {}), Solo())\n"
        "engine.open(Inbox()); engine.close()\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(compiled("llama").path)], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "transformers", "optimum", "openvino", "openvino_genai", "numpy"}
    assert not heavy & set(json.loads(done.stdout))


def test_a_child_that_the_kernel_kills_while_loading_ran_out_of_memory(
    tmp_path: Path, news: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = tmp_path / "python"
    killer.write_text("#!/bin/sh\nkill -9 $$\n")
    killer.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killer))
    with pytest.raises(OutOfMemory, match=r"Lower openvino_kv_cache.*killed, as the kernel does"):
        openvino_engine(tmp_path).open(news)
